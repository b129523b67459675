"""A bot's records in a real Redis, and a connection that never waits longer than it says."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from bots.errors import SettingsError
from bots.logins import read_login
from bots.secret import Secret
from bots.state import BotState, Script, State, StateError
from tests.redis import FREEZE, THAW

BOT = "wallet-1.inj-usdt.spot"


def with_state(server, scenario, **changes):
    async def play():
        state = State(replace(server.login(), **changes))
        try:
            await scenario(state)
        finally:
            state.close()

    asyncio.run(play())


def test_records_come_back_as_they_were_kept(redis_server):
    async def scenario(state):
        bot = BotState(state, BOT)
        assert (await bot.position("inj-usdt"), await bot.status(), await bot.halt()) == (None, None, None)
        await bot.save_position(
            "inj-usdt", {"quantity": Decimal("0.000000000000000001"), "side": "Käufer\r\n"}
        )
        assert await bot.position("inj-usdt") == {"quantity": "0.000000000000000001", "side": "Käufer\r\n"}
        await bot.save_status({"heartbeat": 1, "why": None})
        assert await bot.status() == {"heartbeat": 1, "why": None}
        await bot.save_halt({"reason": "daily loss"})
        assert await bot.halt() == {"reason": "daily loss"}

    with_state(redis_server, scenario)
    assert "0.000000000000000001" in redis_server.admin("GET", f"{BOT}:position:inj-usdt")


def test_a_damaged_record_is_named(redis_server):
    redis_server.admin("SET", f"{BOT}:halt", "[1]")

    async def scenario(state):
        with pytest.raises(StateError, match=f"{BOT}:halt in Redis holds no JSON object; delete that key"):
            await BotState(state, BOT).halt()

    with_state(redis_server, scenario)


@pytest.mark.parametrize(
    "command",
    [("GET", "wallet-2.inj-usdt.spot:halt"), ("GET", "wallet-12.x.spot:halt"), ("KEYS", "*"), ("FLUSHALL",)],
)
def test_another_wallet_s_keys_are_out_of_reach(redis_server, command):
    async def scenario(state):
        with pytest.raises(StateError, match="NOPERM"):
            await state.call(*command)
        with pytest.raises(StateError, match="access at least one of the keys"):
            await state.script(
                Script("return redis.call('GET', 'wallet-2.inj-usdt.spot:halt')"), [f"{BOT}:x"]
            )

    with_state(redis_server, scenario)


def test_a_wrong_password_is_a_sentence_without_it(redis_server):
    async def scenario(state):
        with pytest.raises(StateError, match="WRONGPASS") as caught:
            await state.call("GET", "wallet-1.x")
        assert "not-the-password" not in str(caught.value)

    with_state(redis_server, scenario, password=Secret("not-the-password"))


def test_a_frozen_server_is_given_up_on_and_its_late_answer_is_not_the_next_one_s(redis_server):
    async def scenario(state):
        await state.call("SET", "wallet-1.a", "1")
        await state.call("SET", "wallet-1.b", "2")
        redis_server.signal(FREEZE)
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(StateError, match="did not answer in time"):
                await state.call("GET", "wallet-1.a")
            assert time.monotonic() - began < 1.1
        redis_server.signal(THAW)
        assert await state.call("GET", "wallet-1.b") == "2"

    with_state(redis_server, scenario)


def test_a_cancelled_call_leaves_no_answer_behind(redis_server):
    async def scenario(state):
        for number in range(50):
            await state.call("SET", f"wallet-1.{number}", str(number))
        for number in range(50):
            task = asyncio.create_task(state.call("GET", "wallet-1.0"))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            task.cancel()
            assert await state.call("GET", f"wallet-1.{number}") == str(number)

    with_state(redis_server, scenario)


def test_calls_at_once_get_their_own_answers(redis_server):
    async def scenario(state):
        names = [f"wallet-1.{number}" for number in range(100)]
        await asyncio.gather(*(state.call("SET", name, name * 1000) for name in names))
        assert await asyncio.gather(*(state.call("GET", name) for name in names)) == [n * 1000 for n in names]

    with_state(redis_server, scenario)


def test_a_restarted_server_is_found_again_within_the_same_call(redis_server):
    async def scenario(state):
        script = Script("return {redis.call('SET', KEYS[1], ARGV[1]), 7, false, {1, 'x'}}")
        assert await state.script(script, ["wallet-1.a"], "1") == ["OK", 7, None, [1, "x"]]
        redis_server.kill()
        with pytest.raises(StateError, match="cannot be reached"):
            await state.call("GET", "wallet-1.a")
        await asyncio.to_thread(redis_server.start)
        assert await state.call("GET", "wallet-1.a") == "1"
        await asyncio.to_thread(redis_server.kill)
        await asyncio.to_thread(redis_server.start)
        # The new server does not know the script: its text goes along.
        assert await state.script(script, ["wallet-1.a"], "2") == ["OK", 7, None, [1, "x"]]

    with_state(redis_server, scenario)


@pytest.mark.parametrize(
    ("address", "text", "words"),
    [
        ("redis", "{}", "REDIS_ADDR is 'redis'; write host:port"),
        ("redis:99999", "{}", "write host:port"),
        ("redis:6379", None, "cannot be read"),
        ("redis:6379", "{", "cannot be read"),
        ("redis:6379", '["username"]', "cannot be read"),
        ("redis:6379", '{"username": "u"}', "cannot be read"),
        ("redis:6379", '{"username": "u", "password": 7}', "must be texts"),
        ("redis:6379", '{"username": "u", "password": ""}', "must be texts"),
    ],
)
def test_a_wrong_sign_in_is_refused(tmp_path, address, text, words):
    file = tmp_path / "redis.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_login("REDIS_ADDR", address, file)


def test_the_sign_in_is_read_and_never_shows_its_password(tmp_path):
    file = tmp_path / "redis.json"
    file.write_text(json.dumps({"username": "wallet-wallet-1", "password": "hidden"}))
    login = read_login("REDIS_ADDR", "[::1]:6379", file)
    assert (login.host, login.port, login.username, login.password.reveal()) == (
        "::1",
        6379,
        "wallet-wallet-1",
        "hidden",
    )
    assert "hidden" not in repr(login)
