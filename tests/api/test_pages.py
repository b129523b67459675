"""The page over HTTP, without JavaScript."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from api.errors import VaultUnavailableError

pytestmark = pytest.mark.anyio

CHOICE = {"wallet": "wallet-1", "market": "inj-usdt", "type": "spot"}
ID = "wallet-1.inj-usdt.spot"


def soup(answer):
    return BeautifulSoup(answer.text, "html.parser")


async def test_without_sign_in_the_page_asks_for_it(drover):
    async with drover.running(), drover.client(headers={"Accept": "text/html"}) as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
        assert (await client.get(f"/bots/{ID}/logs")).status_code == 303


async def test_start_stop_start_again_forget(drover, get_csrf):
    async with drover.running(), drover.browser() as client:
        page = await client.get("/")
        assert [o["value"] for o in soup(page).select("select[name=wallet] option")] == [
            "main-1",
            "wallet-1",
            "wallet-2",
        ]
        assert [o["value"] for o in soup(page).select("select[name=type] option")] == ["spot", "derivative"]
        assert [o["value"] for o in soup(page).select("select[name=network] option")] == ["paper", "testnet"]
        token = {"csrf": get_csrf(page.text)}
        answer = await client.post("/bots", data=token | CHOICE)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/#{ID}")
        for verb, phase in (
            ("stop", "stopped"),
            ("start", "running"),
            ("restart", "running"),
            ("stop", "stopped"),
        ):
            assert (await client.post(f"/bots/{ID}/{verb}", data=token)).status_code == 303, verb
            card = soup(await client.get("/cards")).select_one(f'[data-bot="{ID}"]')
            assert phase in card["class"] or "pending" in card["class"] or "stopping" in card["class"]
        assert (await client.post(f"/bots/{ID}/delete", data=token)).status_code == 303
        assert "No bot yet" in (await client.get("/")).text


async def test_a_refusal_stands_beside_the_form_in_the_apis_words(drover, get_csrf):
    async with drover.running(), drover.browser() as client, drover.signed_in() as script:
        wrong = CHOICE | {"type": "derivative"}
        said = (await script.post("/api/v1/bots", json=wrong)).json()["detail"]
        token = get_csrf((await client.get("/")).text)
        answer = await client.post("/bots", data={"csrf": token} | wrong)
    assert answer.status_code == 422
    assert soup(answer).select_one("#start-error").text == said
    assert soup(answer).select_one("[aria-invalid=true]")["name"] == "type"
    assert soup(answer).select_one("select[name=type] option[selected]")["value"] == "derivative"


async def test_a_refusal_of_a_card_stands_on_the_card(drover, get_csrf):
    async with drover.running(), drover.browser() as client:
        token = {"csrf": get_csrf((await client.get("/")).text)}
        await client.post("/bots", data=token | CHOICE)
        answer = await client.post(f"/bots/{ID}/delete", data=token)
    assert answer.status_code == 409
    assert "still running" in soup(answer).select_one(f'[data-bot="{ID}"] .error').text


async def test_the_page_serves_without_vault(drover):
    async with drover.running(), drover.browser() as client:
        drover.vault.fail["*"] = VaultUnavailableError()
        answer = await client.get("/")
    assert answer.status_code == 200
    assert "Vault does not answer" in soup(answer).select_one(".error").text


async def test_no_wallet_yet_teaches_the_command(drover):
    drover.vault.held.clear()
    async with drover.running(), drover.browser() as client:
        assert "drover wallets add" in (await client.get("/")).text


async def test_logs(drover, get_csrf):
    async with drover.running(), drover.browser() as client:
        await client.post("/bots", data={"csrf": get_csrf((await client.get("/")).text)} | CHOICE)
        (allocation,) = drover.nomad.allocations
        drover.nomad.logs[allocation, "stderr"] = "<script>alert(1)</script> fill 3\n"
        answer = await client.get(f"/bots/{ID}/logs?stream=stderr")
        assert soup(answer).select_one("#log").text == "<script>alert(1)</script> fill 3\n"
        assert "<script>alert" not in answer.text
        assert (await client.get(f"/bots/{ID}/logs")).status_code == 404
        assert (await client.get("/bots/nothing/logs")).status_code == 422


async def test_wrong_password_and_sign_out(drover, get_csrf):
    async with drover.running(), drover.browser() as client:
        page = await client.get("/signin")
        answer = await client.post(
            "/signin", data={"csrf": get_csrf(page.text), "username": "ada", "password": "no"}
        )
        assert answer.status_code == 401
        assert "wrong" in soup(answer).select_one(".error").text
    async with drover.running(), drover.browser() as client:
        token = get_csrf((await client.get("/")).text)
        assert (await client.post("/signout", data={"csrf": token})).status_code == 303
        assert (await client.get("/")).status_code == 303
    assert [row.result for row in drover.store.rows] == ["ok", "wrong_credentials", "ok"]
