"""Who listens where on this machine, read from /proc."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError

__all__ = ["Listener", "listeners", "refuse_taken"]

_LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    """One listening TCP socket."""

    address: str
    port: int
    inode: str


def listeners() -> list[Listener]:
    """Return every listening TCP socket, IPv4 and IPv6."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN:
                found.append(_listener(fields[1], fields[9]))
    return found


def _listener(local: str, inode: str) -> Listener:
    address, port = local.split(":")
    # The kernel prints each 32-bit word of the address in the machine's byte order.
    words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
    found = ipaddress.ip_address(b"".join(words))
    # An IPv6 socket bound to an IPv4 address shows as ::ffff:127.0.0.1.
    plain = (found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found
    return Listener(str(plain), int(port, 16), inode)


def owner(listener: Listener) -> str:
    """Say which process holds a socket, as far as this user may know."""
    wanted = f"socket:[{listener.inode}]"
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) == wanted for link in descriptors.iterdir()):
                pid = descriptors.parent.name
                return f"pid {pid} ({(descriptors.parent / 'comm').read_text().strip()})"
        except OSError:
            continue
    return "a process that this user may not see"


def refuse_taken(wanted: list[tuple[str, int]], what: str) -> None:
    """Make sure that `what` can listen on each (address, port).

    Raises:
        OpsError: a port is taken; says by whom.
    """
    for address, port in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except PermissionError as error:
                raise OpsError(f"port {port}, which {what} needs, is not allowed to this user.") from error
            except OSError as error:
                by = next(
                    (owner(found) for found in listeners() if found.port == port), f"({error.strerror})"
                )
                raise OpsError(
                    f"port {port} on {address}, which {what} needs, is taken by {by}; stop that, "
                    f"or make a cluster on other ports: drover --state DIR --port-offset N up."
                ) from error
