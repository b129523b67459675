"""The memory-only folders of allocations, after a stop that was none: a crash, a reboot, a killed agent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.settings import Cluster

__all__ = ["cover", "mounts", "uncover"]

_FOLDERS = ("secrets", "private")
# As Nomad's own (client/allocdir/fs_linux.go): nothing in it can be run, and it never reaches swap.
_OPTIONS = ("rw,noexec,size=1m,noswap", "rw,noexec,size=1m")


def mounts(cluster: Cluster) -> list[Path]:
    """Return what is mounted below the cluster's folder, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mounted = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return sorted((path for path in mounted if path.is_relative_to(cluster.state)), reverse=True)


def uncover(cluster: Cluster) -> int:
    """Unmount all of them, which forgets the keys in them; return how many.

    Raises:
        OpsError: one is in use.
    """
    mine = mounts(cluster)
    for path in mine:
        result = subprocess.run(["umount", str(path)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise OpsError(
                f"{path} could not be unmounted: {result.stderr.strip()}; see who uses it, then repeat."
            )
    return len(mine)


def cover(cluster: Cluster, allocations: Path) -> int:
    """Mount a tmpfs over each secrets folder that lost its own; call before the client starts.

    Nomad mounts one when it makes an allocation's folder, not when it finds the folder again: after a reboot
    it would write the key of a restored bot onto the disk (measured on 1.11.2).

    Raises:
        OpsError: the kernel refuses the mount.
    """
    mounted = set(mounts(cluster))
    bare = [
        folder
        for name in _FOLDERS
        for folder in allocations.glob(f"*/*/{name}")
        if folder.is_dir() and folder not in mounted
    ]
    for folder in bare:
        _empty(folder)
        _mount(folder)
    return len(bare)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _mount(folder: Path) -> None:
    for options in _OPTIONS:  # kernels before 6.4 know no noswap
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            folder.chmod(0o777)
            return
    raise OpsError(
        f"no tmpfs could be mounted on {folder}: {result.stderr.strip()}; keys may not touch the disk."
    )
