"""A bot's life as its people live it: started on the page in Chromium, trading, killed, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops import docker, process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engines

BOT = "wallet-1.inj-usdt.spot"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(live: Any, browser: Browser) -> Iterator[Page]:
    """A person's browser, signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(live.cluster.page_addr)
    page.get_by_label("User name").fill(live.username)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(live.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Start a bot")).to_be_visible()
    yield page
    page.context.close()


@pytest.fixture
def card(page: Page) -> Any:
    return page.locator(f"[data-bot='{BOT}']")


def pictures(live: Any) -> Path:
    folder = live.cluster.state.parent / ".drover-test-pictures"
    folder.mkdir(exist_ok=True)
    return folder


def test_start_on_the_page(live: Any, page: Page, card: Any) -> None:
    page.get_by_label("Wallet").select_option("wallet-1")
    page.get_by_label("Market").select_option("inj-usdt")
    page.get_by_label("Type").select_option("spot")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(card).to_be_visible(timeout=15_000)
    expect(card.locator(".phase")).to_have_text("Running", timeout=60_000)
    assert live.bot(BOT)["phase"] == "running"


def test_a_second_start_is_refused_beside_the_form(page: Page) -> None:
    page.get_by_label("Wallet").select_option("wallet-1")
    page.get_by_label("Market").select_option("inj-usdt")
    page.get_by_label("Type").select_option("spot")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("already")


def test_orders_and_fills_are_signed_by_the_wallet(live: Any) -> None:
    address = live.wallet("wallet-1")["account"]
    orders = live.until(lambda: live.orders("wallet-1"), "an open order at the venue")
    assert {order["signer"] for order in orders} == {address}
    trades = live.until(lambda: live.trades("wallet-1"), "a fill at the venue", 120)
    assert {trade["signer"] for trade in trades} == {address}


def test_the_log_is_on_the_page(page: Page, card: Any) -> None:
    card.get_by_role("link", name="View logs").click()
    expect(page.locator("main")).to_contain_text("order_placed")
    page.goto(page.url.split("/bots")[0])


def test_a_killed_container_is_back(live: Any) -> None:
    before = live.bot(BOT)
    container = live.container(before["allocation_id"])
    docker.run("kill", container)
    live.until(lambda: live.bot(BOT)["restarts"] > before["restarts"], "Nomad's restart")
    live.wait_phase(BOT, "running")
    assert live.container(live.bot(BOT)["allocation_id"]) != container
    live.until(lambda: live.orders("wallet-1"), "orders after the restart")


def test_no_order_of_the_killed_process_is_left_beside_the_new_ones(live: Any) -> None:
    # The successor cancels what its predecessor left, so that the bot never quotes twice as much.
    def few() -> bool:
        return 0 < len(live.orders("wallet-1")) <= 4

    live.until(few, "at most the strategy's four quotes")


def test_replacing_the_api_touches_no_bot(live: Any, page: Page, card: Any) -> None:
    before = live.bot(BOT)
    container = live.container(before["allocation_id"])
    started = live.inspect(container)["State"]["StartedAt"]
    api = live.running_allocation("api", "hub")
    script = live.drover("env").stdout + f"\nnomad alloc stop -namespace=hub -detach {api}"
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    live.until(lambda: api not in running(live), "the old API to go")
    live.until(lambda: healthy(live), "the new API")
    assert live.bot(BOT) == before
    assert live.inspect(container)["State"]["StartedAt"] == started
    expect(card.locator(".phase")).to_have_text("Running", timeout=30_000)


def running(live: Any) -> list[str]:
    listed = live.nomad("GET", "/v1/job/api/allocations?namespace=hub").json()
    return [one["ID"] for one in listed if one["ClientStatus"] == "running"]


def healthy(live: Any) -> bool:
    try:
        return bool(live.api("GET", "/../../readyz").status_code == 200)
    except Exception:  # noqa: BLE001 - it is coming up: refused, reset or not there yet
        return False


def test_pictures_of_the_page(live: Any, browser: Browser, page: Page) -> None:
    live.start("wallet-2", "inj-usdt-perp", "derivative")
    live.stop(live.start("wallet-2", "tia-usdt", "spot"))
    cookies = page.context.cookies()
    for name, width, height, scheme in (
        ("desktop", 1280, 540, "light"),
        ("phone", 390, 844, "light"),
        ("dark", 1280, 800, "dark"),
    ):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.add_cookies(cookies)
        one = context.new_page()
        complaints: list[str] = []
        one.on("console", lambda message, said=complaints: said.append(message.text))
        one.goto(live.cluster.page_addr)
        expect(one.locator(".card")).to_have_count(3)
        assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        one.screenshot(path=pictures(live) / f"{name}.png")
        assert complaints == []
        context.close()


def test_stop_on_the_page_leaves_nothing_and_stays(live: Any, page: Page, card: Any) -> None:
    page.goto(live.cluster.page_addr)
    card.get_by_role("button", name="Stop").click()
    expect(card.locator(".phase")).to_have_text("Stopped", timeout=60_000)
    assert live.orders("wallet-1") == []
    time.sleep(10)
    assert live.bot(BOT)["phase"] == "stopped"
    assert live.orders("wallet-1") == []
    assert live.container(live.bot(BOT)["allocation_id"] or "none") == ""


def test_a_derivative_bot_trades_and_stops_clean(live: Any) -> None:
    bot = "wallet-2.inj-usdt-perp.derivative"
    if live.bot(bot)["phase"] != "running":
        live.start("wallet-2", "inj-usdt-perp", "derivative")
    live.until(lambda: live.trades("wallet-2"), "a fill of the derivative bot", 120)
    live.stop(bot)
    assert live.orders("wallet-2") == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"wallet": "nobody", "market": "inj-usdt", "type": "spot"}, 422, "unknown_wallet"),
        ({"wallet": "wallet-1", "market": "doge-usdt", "type": "spot"}, 422, "unknown_market"),
        ({"wallet": "wallet-1", "market": "inj-usdt", "type": "future"}, 422, "unknown_type"),
        ({"wallet": "wallet-1", "market": "inj-usdt", "type": "derivative"}, 422, "market_type_mismatch"),
        ({"wallet": "wallet-1", "market": "inj-usdt", "type": "spot", "cpu": 9}, 422, None),
        ({"wallet": '"} job', "market": "inj-usdt", "type": "spot"}, 422, None),
    ],
)
def test_refusals_have_a_code_and_a_sentence(
    live: Any, body: dict[str, Any], status: int, code: str | None
) -> None:
    answer = live.api("POST", "/bots", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"].endswith(".")
    assert code is None or problem["code"] == code


def test_no_sign_in_no_answer(live: Any) -> None:
    answer = live.api("GET", "/bots", auth=None)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_stop_works_while_the_database_hangs(live: Any) -> None:
    bot = live.start("wallet-3", "tia-usdt", "spot")
    database = live.container(live.running_allocation("postgres", "hub"), "postgres")
    docker.run("pause", database)
    try:
        began = time.monotonic()
        assert live.api("POST", f"/bots/{bot}/stop").status_code == 202
        assert time.monotonic() - began < 15
        live.until(lambda: live.bot(bot)["phase"] == "stopped", "the bot to stop")
    finally:
        docker.run("unpause", database)
    assert live.orders("wallet-3") == []


def test_stop_works_while_vault_hangs(live: Any) -> None:
    bot = live.start("wallet-3", "tia-usdt", "spot")
    vault = process.recorded(live.cluster.run, "vault")
    assert vault is not None
    os.kill(vault.pid, signal.SIGSTOP)
    try:
        assert live.api("POST", f"/bots/{bot}/stop").status_code == 202
        live.until(lambda: live.bot(bot)["phase"] == "stopped", "the bot to stop")
    finally:
        os.kill(vault.pid, signal.SIGCONT)
    assert live.orders("wallet-3") == []
