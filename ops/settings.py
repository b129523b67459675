"""Where one local cluster keeps its state and which ports it uses."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError

__all__ = ["REPO", "STATE_VERSION", "Cluster", "Ports"]

REPO = Path(__file__).resolve().parent.parent
STATE_VERSION = 1
"""Raised when a newer drover can no longer use an older state folder as it is."""
_HIGHEST_OFFSET = 50000


@dataclass(frozen=True)
class Ports:
    """Every port of a local cluster; two clusters on one machine differ by `offset`."""

    offset: int = 0

    def _at(self, port: int) -> int:
        return port + self.offset

    @property
    def nomad(self) -> int:
        """Nomad server's HTTP API and web UI (loopback)."""
        return self._at(4646)

    @property
    def nomad_rpc(self) -> int:
        """Nomad server's RPC (loopback)."""
        return self._at(4647)

    @property
    def nomad_serf(self) -> int:
        """Nomad server's gossip (loopback)."""
        return self._at(4648)

    @property
    def nomad_client(self) -> int:
        """Nomad client agent's HTTP API (loopback)."""
        return self._at(4656)

    @property
    def vault(self) -> int:
        """Vault's API (loopback and bridge)."""
        return self._at(8200)

    @property
    def vault_cluster(self) -> int:
        """Vault's integrated storage (loopback)."""
        return self._at(8201)

    @property
    def postgres(self) -> int:
        """Postgres (bridge)."""
        return self._at(5432)

    @property
    def redis(self) -> int:
        """Redis (bridge)."""
        return self._at(6379)

    @property
    def dynamic(self) -> int:
        """First of the ports that Nomad's clients give to bots' metrics (bridge)."""
        return self._at(10000)

    @property
    def dynamic_count(self) -> int:
        """How many of them each client has."""
        return 1000

    @property
    def page(self) -> int:
        """The page and the REST API (loopback, or the outside when asked for)."""
        return self._at(8000)

    @property
    def venue_grpc(self) -> int:
        """The paper venue's gRPC (bridge)."""
        return self._at(9900)

    @property
    def venue_http(self) -> int:
        """The paper venue's token list and faucet (bridge)."""
        return self._at(9901)


@dataclass(frozen=True)
class Cluster:
    """One local cluster: its state folder and its ports."""

    state: Path
    ports: Ports

    @classmethod
    def load(cls, state: Path | None, port_offset: int | None) -> Cluster:
        """Find the cluster that the options, the environment or the folder name.

        Raises:
            OpsError: the offset is no number in range, or contradicts the one the folder was made with.
        """
        folder = (state or Path(os.environ.get("DROVER_STATE") or REPO / ".drover")).resolve()
        recorded = _recorded_offset(folder)
        asked = port_offset if port_offset is not None else _offset_from_environment()
        if asked is not None and recorded is not None and asked != recorded:
            raise OpsError(
                f"{folder} was made with port offset {recorded}, not {asked}; leave the offset out, "
                f"or choose another folder with --state."
            )
        offset = recorded if recorded is not None else (asked or 0)
        if not 0 <= offset <= _HIGHEST_OFFSET:
            raise OpsError(f"port offset {offset} is out of range; choose one from 0 to {_HIGHEST_OFFSET}.")
        return cls(folder, Ports(offset))

    @property
    def name(self) -> str:
        """Tells this cluster's agents and cgroups from another's on the same machine."""
        return f"drover-{self.ports.offset}" if self.ports.offset else "drover"

    @property
    def log(self) -> Path:
        """One log per step and engine."""
        return self.state / "log"

    @property
    def run(self) -> Path:
        """Records of the processes that `up` started."""
        return self.state / "run"

    @property
    def secrets(self) -> Path:
        """Vault's unseal key, root token, Nomad's management token, the page's first sign-in: mode 0600."""
        return self.state / "secrets"

    @property
    def nomad_addr(self) -> str:
        """Nomad's API as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.nomad}"

    @property
    def vault_addr(self) -> str:
        """Vault's API as this machine reaches it."""
        return f"http://127.0.0.1:{self.ports.vault}"

    @property
    def page_addr(self) -> str:
        """The page as a person on this machine reaches it."""
        return f"http://localhost:{self.ports.page}"

    def check_version(self) -> None:
        """Refuse a state folder that another version of drover made.

        Raises:
            OpsError: the folder's version is not ours.
        """
        found = _record(self.state).get("version")
        if found is not None and found != STATE_VERSION:
            newer = isinstance(found, int) and found > STATE_VERSION
            raise OpsError(
                f"{self.state} was made by {'a newer' if newer else 'an older'} drover (state version "
                f"{found}, this one writes {STATE_VERSION}); use the drover that made it, or forget it with "
                f"`drover down --purge` of that version, or choose another folder with --state."
            )

    def make(self) -> None:
        """Create the state folder, closed to other users, and record its version and ports.

        Raises:
            OpsError: the folder cannot be written, or is another version's.
        """
        self.check_version()
        try:
            for folder in (self.state, self.log, self.run, self.secrets):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            record = {"version": STATE_VERSION, "port_offset": self.ports.offset}
            write_private(self.state / "cluster.json", json.dumps(record))
        except OSError as error:
            raise OpsError(
                f"the state folder {self.state} cannot be written ({error.strerror}); free some disk, "
                f"or choose another folder with --state."
            ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, and on the disk when this returns."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _record(folder: Path) -> dict[str, object]:
    try:
        found = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OpsError(
            f"{folder / 'cluster.json'} cannot be read ({error}); restore it, "
            f"or choose another folder with --state."
        ) from error
    return found if isinstance(found, dict) else {"version": "unknown"}


def _recorded_offset(folder: Path) -> int | None:
    offset = _record(folder).get("port_offset")
    return offset if isinstance(offset, int) else None


def _offset_from_environment() -> int | None:
    text = os.environ.get("DROVER_PORT_OFFSET")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise OpsError(f"DROVER_PORT_OFFSET is {text[:40]!r}; write a whole number such as 20000.")
    return int(text)
