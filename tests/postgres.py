"""Fixture: a throw-away Postgres from Debian's package, on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from ops.docker import apt_install
from tests.engines import free_port

OWNER_PASSWORD = "owner's; password"  # hostile on purpose


def _programs(log):
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        assert os.geteuid() == 0, "no initdb: apt-get install postgresql"
        apt_install(["postgresql"], log)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent


def _as_postgres(*command):
    """Postgres refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


class PostgresServer:
    """One cluster in a folder of its own; it can be ended, started again, and frozen."""

    def __init__(self, secrets):
        self._programs = _programs(secrets / "apt.log")
        self.folder, self.port = Path(f"/tmp/drover-test-postgres-{os.getpid()}"), free_port()
        subprocess.run(["rm", "-rf", self.folder], check=True)
        self.folder.mkdir(mode=0o700)
        (self.folder / "pw").write_text(OWNER_PASSWORD)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:", self.folder], check=True)
        folder = self.folder
        options = ["-A", "scram-sha-256", "-U", "owner", "--pwfile", folder / "pw", "--no-sync"]
        _as_postgres(self._programs / "initdb", "-D", folder / "d", *options)

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        self._control("-o", options, "-l", self.folder / "log", "-w", "start")

    def end(self):
        self._control("-m", "immediate", "-w", "stop")

    def remove(self):
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def _control(self, *arguments):
        _as_postgres(self._programs / "pg_ctl", "-D", self.folder / "d", *arguments)

    def owner(self):
        """Return a connection of the owner; it sees everything."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="postgres",
            user="owner",
            password=OWNER_PASSWORD,
            autocommit=True,
        )

    @contextmanager
    def frozen(self):
        """Stop the server and all its processes in their tracks: the kernel still takes connections."""
        with self.owner() as connection:
            pids = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
        # The one that accepts connections first, else it starts new ones meanwhile.
        pids.insert(0, int((self.folder / "d" / "postmaster.pid").read_text().split()[0]))
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)


def _signal(pid, number):
    """Signal a process that may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    try:
        yield server
    finally:
        server.end()
        server.remove()


@pytest.fixture(scope="session")
def postgres_login(postgres_server, tmp_path_factory):
    """Write db-owner.json, db-api.json and db-bots.json for a running server; return their folder."""
    secrets = tmp_path_factory.mktemp("db-secrets")
    login = {"host": "127.0.0.1", "port": postgres_server.port, "database": "postgres"}
    users = {
        "owner": ("owner", OWNER_PASSWORD),
        "api": ("drover-api", "api's; pw"),
        "bots": ("drover_bots", "bots'; pw"),
    }
    for who, (name, password) in users.items():
        (secrets / f"db-{who}.json").write_text(json.dumps(login | {"username": name, "password": password}))
    return secrets
