"""Fixture: a throw-away Postgres from Debian's package, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

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


@pytest.fixture(scope="session")
def postgres_login(tmp_path_factory):
    """Write db-owner.json, db-api.json and db-bots.json for a running server; return their folder."""
    secrets = tmp_path_factory.mktemp("db-secrets")
    programs = _programs(secrets / "apt.log")
    folder, port = Path(f"/tmp/drover-test-postgres-{os.getpid()}"), free_port()
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(mode=0o700)
    (folder / "pw").write_text(OWNER_PASSWORD)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "postgres:", folder], check=True)
    _as_postgres(
        programs / "initdb",
        "-D",
        folder / "d",
        "-A",
        "scram-sha-256",
        "-U",
        "owner",
        "--pwfile",
        folder / "pw",
        "--no-sync",
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    _as_postgres(programs / "pg_ctl", "-D", folder / "d", "-o", options, "-l", folder / "log", "-w", "start")
    login = {"host": "127.0.0.1", "port": port, "database": "postgres"}
    (secrets / "db-owner.json").write_text(
        json.dumps(login | {"username": "owner", "password": OWNER_PASSWORD})
    )
    (secrets / "db-api.json").write_text(
        json.dumps(login | {"username": "drover-api", "password": "api's; pw"})
    )
    (secrets / "db-bots.json").write_text(
        json.dumps(login | {"username": "drover_bots", "password": "bots'; pw"})
    )
    try:
        yield secrets
    finally:
        _as_postgres(programs / "pg_ctl", "-D", folder / "d", "-m", "immediate", "-w", "stop")
        subprocess.run(["rm", "-rf", folder], check=True)
