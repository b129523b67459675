"""The users of Redis, and what `drover` tells a running one: against a real Redis."""

from __future__ import annotations

from hashlib import sha256

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.errors import OpsError
from ops.redis import Redis
from ops.redis_users import FILE, acl_text
from tests.redis import PASSWORDS, WALLETS, users

ONCE = Retry(NoBackoff(), 0)
REFUSED = redis.exceptions.NoPermissionError


def digest(password):
    return sha256(password.encode()).hexdigest()


def acl(wallets):
    services = {name: digest(password) for name, password in PASSWORDS.items()}
    return acl_text(
        FILE.read_text(), services, {name: digest(password) for name, password in wallets.items()}
    )


def login(server, user, password):
    return redis.Redis(port=server.port, username=user, password=password, decode_responses=True, retry=ONCE)


@pytest.fixture
def admin(redis_server):
    return Redis(f"127.0.0.1:{redis_server.port}", PASSWORDS["admin"])


def test_what_is_right_already_is_left_alone(admin):
    assert admin.apply(users()) == 0


def test_a_new_wallet_gets_in_at_once_and_no_connection_is_lost(redis_server, admin):
    old = login(redis_server, "wallet-wallet-1", WALLETS["wallet-1"])
    before = old.time(), old.connection_pool.get_connection()
    before[1].send_command("PING")
    assert admin.apply(acl(WALLETS | {"wallet-3": "third"})) == 1
    assert before[1].read_response() in {"PONG", b"PONG"}
    before[1].send_command("PING")
    assert before[1].read_response() in {"PONG", b"PONG"}
    new = login(redis_server, "wallet-wallet-3", "third")
    assert new.set("wallet-3.inj-usdt.spot:lease", "x", nx=True, px=8000)
    assert admin.apply(acl(WALLETS | {"wallet-3": "third"})) == 0


def test_a_removed_wallet_and_a_stranger_are_out_at_once(redis_server, admin):
    gone = login(redis_server, "wallet-wallet-2", WALLETS["wallet-2"])
    assert gone.ping()
    login(redis_server, "admin", PASSWORDS["admin"]).acl_setuser("mallory", enabled=True, nopass=True)
    assert admin.apply(acl({"wallet-1": WALLETS["wallet-1"]})) == 2
    for client in (gone, login(redis_server, "mallory", "x")):
        with pytest.raises((redis.AuthenticationError, redis.ConnectionError)):
            client.ping()


def test_a_redis_that_dies_right_after_knows_the_new_wallet_and_not_the_removed_one(redis_server, admin):
    admin.apply(acl({"wallet-1": WALLETS["wallet-1"], "wallet-3": "third"}))
    redis_server.kill()
    redis_server.start()
    assert login(redis_server, "wallet-wallet-3", "third").ping()
    with pytest.raises(redis.AuthenticationError):
        login(redis_server, "wallet-wallet-2", WALLETS["wallet-2"]).ping()


def test_altered_rights_are_set_right(redis_server, admin):
    root = login(redis_server, "admin", PASSWORDS["admin"])
    root.execute_command("ACL", "SETUSER", "wallet-wallet-1", "~*", "+@all")
    assert admin.apply(users()) == 1
    with pytest.raises(REFUSED):
        login(redis_server, "wallet-wallet-1", WALLETS["wallet-1"]).get("wallet-2.inj-usdt.spot:lease")


def test_a_wallet_reaches_its_own_keys_only_by_script_too(redis_server):
    mine = login(redis_server, "wallet-wallet-1", WALLETS["wallet-1"])
    for key in ("wallet-2.x.spot:lease", "wallet-1-x.y.spot:lease", "wallet-10.x", "wallet-1", "x", ""):
        with pytest.raises(REFUSED):
            mine.set(key, "1")
        with pytest.raises(redis.ResponseError, match="can't access at least one of the keys"):
            mine.eval(f"return redis.call('set', '{key}', '1')", 0)


COMMANDS = (
    "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "ACL LIST", "ACL WHOAMI", "CLIENT LIST",
    "MONITOR", "SUBSCRIBE x", "PUBLISH x y", "SHUTDOWN", "SCRIPT FLUSH", "FUNCTION LIST", "SELECT 1", "INFO",
    "REPLICAOF a 1", "SAVE", "RENAME wallet-1.a wallet-1.b", "RANDOMKEY",
)  # fmt: skip


@pytest.mark.parametrize("user", ["wallet-wallet-1", "api", "reload"])
def test_nobody_but_drover_looks_around(redis_server, user):
    password = WALLETS["wallet-1"] if user.startswith("wallet") else PASSWORDS[user]
    client = login(redis_server, user, password)
    for command in COMMANDS:
        if (user, command) != ("reload", "ACL LIST"):
            with pytest.raises(REFUSED):
                client.execute_command(*command.split())


def test_the_api_reads_what_bots_publish_and_writes_nothing(redis_server):
    login(redis_server, "wallet-wallet-1", WALLETS["wallet-1"]).set("wallet-1.a.spot:status", "{}")
    api = login(redis_server, "api", PASSWORDS["api"])
    assert api.mget("wallet-1.a.spot:status", "wallet-1.a.spot:halt") == ["{}", None]
    for call in (
        lambda: api.set("wallet-1.a.spot:status", "x"),
        lambda: api.delete("wallet-1.a.spot:lease"),
        lambda: api.get("wallet-1.:signing:inj1"),
        lambda: api.eval("return 1", 0),
    ):
        with pytest.raises(REFUSED):
            call()


def test_without_a_password_nobody_gets_in(redis_server):
    for given in ({}, {"username": "default", "password": ""}, {"username": "default", "password": "x"}):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=redis_server.port, retry=ONCE, **given).ping()


def test_refusals_are_sentences(redis_server, admin):
    with pytest.raises(OpsError, match=r"does not take the password in Vault's hub/redis/admin"):
        Redis(f"127.0.0.1:{redis_server.port}", "wrong").get("x")
    redis_server.kill()
    with pytest.raises(OpsError, match=r"Redis does not answer at 127\.0\.0\.1"):
        admin.apply(users())
    for address in ("", "redis", ":6379", "h:x"):
        with pytest.raises(OpsError, match="write host:port"):
            Redis(address, "x")


def test_a_damaged_file_is_refused():
    text = FILE.read_text()
    hashes = {name: digest(password) for name, password in PASSWORDS.items()}
    with pytest.raises(OpsError, match="lacks admin"):
        acl_text(text.replace("user admin", "# user admin"), hashes, {})
    with pytest.raises(OpsError, match="names mallory, who has no login"):
        acl_text(text + "user mallory on #HASH +@all\n", hashes, {})
    with pytest.raises(OpsError, match="not a wallet name"):
        acl_text(text, hashes, {"a ~* +@all": digest("x")})
