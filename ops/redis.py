"""The drover command's only user of redis-py: Redis as its user `admin`, and its refusals as sentences."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops import docker
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.settings import Cluster
    from ops.vault import Vault

__all__ = ["Redis", "redis_of"]

_TIMEOUT_SECONDS = 3.0
_EXCHANGE = """
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
return 1
"""


class Redis:
    """A connection to one Redis, as its administrator."""

    def __init__(self, address: str, password: str) -> None:
        """Name the server, `host:port`; nothing is sent yet.

        Raises:
            OpsError: the address is none.
        """
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit():
            raise OpsError(f"REDIS_ADDR is {address[:60]!r}; write host:port.")
        self.address = address
        self._redis = redis.Redis(
            host=host, port=int(port), username="admin", password=password, decode_responses=True,
            socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a person waits; by default ten tries, seconds apart
        )  # fmt: skip

    def apply(self, acl: str) -> int:
        """Make the users of a running Redis those of `acl`, one line each; return how many were altered.

        No connection of a user who stays is closed: ACL LOAD would close them all (7.0).

        Raises:
            OpsError: Redis refuses or does not answer.
        """
        present = {line.split()[1]: line for line in self._call("ACL", "LIST")}
        wanted = {line.split()[1]: line for line in acl.splitlines()}
        altered = [name for name, line in wanted.items() if _words(present.get(name)) != _words(line)]
        for name in altered:
            self._call("ACL", "SETUSER", name, "reset", *wanted[name].split()[2:])
        strangers = present.keys() - wanted.keys()
        if strangers:
            self._call("ACL", "DELUSER", *sorted(strangers))
        if altered or strangers:
            # Nomad renders the file minutes later: a Redis that dies before would start with the old users.
            self._call("ACL", "SAVE")
        return len(altered) + len(strangers)

    def get(self, key: str) -> str | None:
        """Return a key's text, or None.

        Raises:
            OpsError: Redis refuses or does not answer.
        """
        found: str | None = self._call("GET", key)
        return found

    def names(self, pattern: str) -> list[str]:
        """Return the keys that match a glob pattern, sorted.

        Raises:
            OpsError: Redis refuses or does not answer.
        """
        cursor, found = "0", set[str]()
        while True:
            cursor, keys = self._call("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
            found.update(keys)
            if str(cursor) == "0":
                return sorted(found)

    def exchange(self, gone: str, key: str, value: str) -> bool:
        """Delete the key `gone` and write another in one step; tell whether it was there, else do nothing.

        Raises:
            OpsError: Redis refuses or does not answer.
        """
        return bool(self._call("EVAL", _EXCHANGE, "2", gone, key, value))

    def delete(self, key: str) -> bool:
        """Delete a key; tell whether it was there.

        Raises:
            OpsError: Redis refuses or does not answer.
        """
        return bool(self._call("DEL", key))

    def _call(self, *command: str) -> Any:
        # `from None`: redis-py's exceptions may carry the command, and a command may carry a hash.
        try:
            return self._redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own lack
        except redis.AuthenticationError:
            raise OpsError(
                f"Redis at {self.address} does not take the password in Vault's hub/redis/admin; "
                "restart its job."
            ) from None
        except (redis.ConnectionError, redis.TimeoutError):
            raise OpsError(
                f"Redis does not answer at {self.address}; start its job, or correct REDIS_ADDR."
            ) from None
        except redis.RedisError as error:
            raise OpsError(f"Redis refuses {command[0]}: {str(error).rstrip('.')[:200]}.") from None


def redis_of(cluster: Cluster, vault: Vault, env: Mapping[str, str] = os.environ) -> Redis | None:
    """Connect to the Redis that belongs to `vault`: REDIS_ADDR, else the local cluster's.

    Returns None when neither is known: then only Nomad can tell it of a change.

    Raises:
        OpsError: REDIS_ADDR is no address, or Vault refuses the password.
    """
    local = f"{docker.bridge().address}:{cluster.ports.redis}" if vault.address == cluster.vault_addr else ""
    address = env.get("REDIS_ADDR") or local
    if not address:
        return None
    found = vault.read("hub/data/redis/admin")
    if found is None:
        raise OpsError("Vault holds no hub/redis/admin; run `drover bootstrap` first.")
    return Redis(address, found["data"]["password"])


def _words(line: str | None) -> list[str]:
    # Redis lists a user's commands in an order of its own.
    return sorted(line.split()) if line else []
