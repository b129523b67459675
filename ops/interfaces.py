"""This machine's network interfaces and their addresses, asked of the kernel."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

__all__ = ["address", "outside"]

_SIOCGIFADDR = 0x8915
_LONGEST_NAME = 15


def address(interface: str) -> str | None:
    """Return the IPv4 address of an interface, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            request = struct.pack("256s", interface.encode()[:_LONGEST_NAME])
            answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def outside() -> str | None:
    """Return the interface of the default route, or None on a machine without one."""
    for row in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[1] == "00000000":
            return fields[0]
    return None
