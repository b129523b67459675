"""Fixture: a throw-away Redis from Debian's package, on loopback, with users as in production."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bots.logins import Login
from bots.secret import Secret
from ops import redis_users
from ops.docker import apt_install
from tests.engines import free_port

PASSWORDS = {"admin": "admin-password", "api": "a", "reload": "r"}
WALLETS = {"wallet-1": "first-password", "wallet-2": "second-password"}


def users():
    """Return Redis's ACL file as the product makes it."""
    services, wallets = (
        {name: hashlib.sha256(password.encode()).hexdigest() for name, password in logins.items()}
        for logins in (PASSWORDS, WALLETS)
    )
    return redis_users.acl_text(redis_users.FILE.read_text(), services, wallets)


class RedisServer:
    """A real redis-server whose data outlive its death, as far as its append-only file holds them."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        (folder / "users.acl").write_text(users())

    def start(self):
        self.process = subprocess.Popen(
            [
                "redis-server",
                *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
                *("--aclfile", str(self.folder / "users.acl"), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
            ],
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + 10
        while "PONG" not in self.admin("PING"):
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.02)
        return self

    def admin(self, *command):
        """Do one command as admin, without any client of ours; returns the raw answer."""
        text = "".join(
            f"{part}\r\n" for part in (f"AUTH admin {PASSWORDS['admin']}", " ".join(command), "QUIT")
        )
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.sendall(text.encode())
                return b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        except OSError:
            return ""

    def login(self, wallet="wallet-1"):
        return Login("127.0.0.1", self.port, f"wallet-{wallet}", Secret(WALLETS[wallet]))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def redis_server(tmp_path):
    """Return a running, empty server."""
    if shutil.which("redis-server") is None:
        assert os.geteuid() == 0, "no redis-server: apt-get install redis-server"
        apt_install(["redis-server"], Path(tmp_path / "apt.log"))
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder).start()
    try:
        yield server
    finally:
        server.kill()


FREEZE, THAW = signal.SIGSTOP, signal.SIGCONT
