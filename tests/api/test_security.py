"""What an attacker tries: forged sessions, other sites, hostile names, other people's words in logs."""

from __future__ import annotations

import io
import json
import logging
import re
import time

import pytest
from itsdangerous import URLSafeTimedSerializer

from api.errors import VaultUnavailableError
from api.logs import JsonLines

pytestmark = pytest.mark.anyio

BOT = {"wallet": "wallet-1", "market": "inj-usdt", "type": "spot"}
ID = "wallet-1.inj-usdt.spot"
CHANGES = [
    ("POST", "/api/v1/bots"),
    ("DELETE", f"/api/v1/bots/{ID}"),
    ("POST", f"/api/v1/bots/{ID}/stop"),
    ("POST", f"/api/v1/bots/{ID}/start"),
    ("POST", f"/api/v1/bots/{ID}/restart"),
    ("POST", "/api/v1/bots/plan"),
]
LOOKS = [
    ("GET", "/api/v1/bots"),
    ("GET", f"/api/v1/bots/{ID}"),
    ("GET", f"/api/v1/bots/{ID}/logs"),
    ("GET", "/api/v1/wallets"),
    ("GET", "/api/v1/markets"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES + LOOKS)
async def test_every_route_wants_a_sign_in(drover, method, path):
    async with drover.running(), drover.client() as client:
        answer = await client.request(method, path, json=BOT if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
        assert answer.headers["www-authenticate"].startswith("Basic")
        wrong = await client.request(method, path, auth=("ada", "guess"))
        assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert not drover.nomad.jobs


async def test_the_list_of_routes_above_is_whole(drover):
    paths = drover.app.openapi()["paths"]
    known = {(method, path.replace(ID, "{bot_id}")) for method, path in CHANGES + LOOKS}
    listed = {
        (method.upper(), path) for path, item in paths.items() for method in item if path.startswith("/api/")
    }
    assert listed == known


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Basic YWRh", "Bearer x", "Basic " + "w6TDtsO8", "Basic /w==", "Basic OjE="],
)
async def test_odd_authorization_headers(drover, header):
    async with drover.running(), drover.client() as client:
        answer = await client.get("/api/v1/bots", headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["../sys/seal", "ada/../root", "a?x=1", "ada\n", "a" * 200, "", "%2e%2e"])
async def test_a_user_name_that_is_none_never_reaches_vault(drover, name):
    async with drover.running(), drover.client() as client:
        assert (await client.get("/api/v1/bots", auth=(name, "x"))).status_code == 401
    assert drover.vault.asked_passwords == 0


async def test_a_verified_password_is_asked_once_a_minute(drover):
    async with drover.running(), drover.signed_in() as client:
        for _ in range(5):
            await client.get("/api/v1/bots")
        assert drover.vault.asked_passwords == 1
        assert (await client.get("/api/v1/bots", auth=("ada", "wrong"))).status_code == 401


async def test_a_session_may_look_but_change_only_with_the_token(drover, get_csrf):
    async with drover.running(), drover.browser() as client:
        assert (await client.get("/api/v1/bots")).status_code == 200
        for method, path in CHANGES:
            answer = await client.request(method, path, json=BOT if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), path
        headers = {"X-CSRF-Token": get_csrf((await client.get("/")).text)}
        assert (await client.post("/api/v1/bots", json=BOT, headers=headers)).status_code == 202


async def test_forms_want_the_token_of_this_session(drover, get_csrf):
    async with drover.running(), drover.browser() as mine, drover.browser() as other:
        foreign = get_csrf((await other.get("/")).text)
        for token in ("", "x", foreign, "é"):
            assert (await mine.post("/bots", data={"csrf": token} | BOT)).status_code == 403
            assert (await mine.post(f"/bots/{ID}/stop", data={"csrf": token})).status_code == 403
            assert (await mine.post("/signout", data={"csrf": token})).status_code == 403
            signin = {"csrf": token, "username": "ada", "password": "correct horse"}
            assert (await mine.post("/signin", data=signin)).status_code == 403
    assert not drover.nomad.jobs


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
    ],
)
async def test_another_site_cannot_use_a_browsers_saved_password(drover, headers):
    async with drover.running(), drover.signed_in() as client:
        answer = await client.post("/api/v1/bots", json=BOT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def forged(key, payload):
    return URLSafeTimedSerializer(key, salt="drover-session").dumps(payload)


@pytest.mark.parametrize(
    "cookie", ["", "x", "a.b.c", forged("another key" * 4, ["ada", "n"]), forged("s" * 64, "ada")]
)
async def test_forged_sessions(drover, cookie):
    async with drover.running(), drover.client(cookies={"drover_session": cookie}) as client:
        assert (await client.get("/api/v1/bots")).status_code == 401


async def test_the_sign_in_forms_session_is_nobodys(drover):
    async with drover.running(), drover.client() as client:
        await client.get("/signin")
        assert client.cookies.get("drover_session")
        assert (await client.get("/api/v1/bots")).status_code == 401


async def test_a_session_ends_after_twelve_hours(drover, monkeypatch):
    async with drover.running(), drover.browser() as client:
        assert (await client.get("/api/v1/bots")).status_code == 200
        now = time.time()
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 12 * 3600 + 2)
        assert (await client.get("/api/v1/bots")).status_code == 401


async def test_cookie_flags_and_headers(drover):
    async with drover.running(), drover.client() as client:
        answer = await client.get("/signin")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        client.cookies.clear()
        secure = await client.get("https://drover.test/signin")
        assert "secure" in secure.headers["set-cookie"].lower()
        for path in ("/signin", "/api/v1/bots", "/static/app.css", "/nothing", "/docs"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"


async def test_no_inline_script_style_or_foreign_address_in_any_page(drover):
    async with drover.running(), drover.browser() as client:
        for path in ("/", "/signin", "/docs", "/nothing"):
            html = (await client.get(path)).text
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style|javascript:", html), path
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html), path


async def test_hostile_words_are_escaped(drover, get_csrf):
    bad = '<img src=x onerror=alert(1)>"'
    drover.vault.add_wallet_for_test("wallet-9", label=bad)
    async with drover.running(), drover.browser() as client:
        token = get_csrf((await client.get("/")).text)
        await client.post("/bots", data={"csrf": token} | BOT)
        events = [{"Type": "Driver Failure", "DisplayMessage": bad}]
        drover.nomad.task_for_test(ID, ClientStatus="pending", State="pending", Events=events)
        pages = [
            await client.get("/"),
            await client.post("/bots", data={"csrf": token} | BOT | {"market": bad}),
            await client.post(f"/bots/{bad.replace('/', '')}/stop", data={"csrf": token}),
        ]
    for page in pages:
        assert "<img src=x" not in page.text
    assert "&lt;img src=x" in pages[0].text


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/bots/..%2f..%2fagent%2fself",
        "/api/v1/bots/a.b.spot%3fpurge=true",
        "/api/v1/bots/a.b.spot%0d%0aSet-Cookie:x",
        "/api/v1/bots/%2e%2e/logs",
        "/static/../../api/main.py",
        "/static/%2e%2e/%2e%2e/api/main.py",
        "/static/..%2f..%2fapi%2fmain.py",
    ],
)
async def test_paths_that_climb(drover, path):
    async with drover.running(), drover.signed_in() as client:
        answer = await client.get(path)
    assert answer.status_code in {404, 422}
    assert "create_app" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_logs_carry_neither_secrets_nor_raw_lines(drover, get_csrf):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    old = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        async with drover.running(), drover.signed_in() as client, drover.browser() as browser:
            await client.get("/api/v1/bots/x%0a%7B%22level%22%3A%22FAKE%22%7D")
            await client.post("/api/v1/bots", json=BOT | {"wallet": 'a\n{"level":"FAKE"}'})
            await client.get("/api/v1/bots", auth=("ada\n{}", "guessed-password"))
            token = get_csrf((await browser.get("/")).text)
            cookie = browser.cookies["drover_session"]
    finally:
        root.removeHandler(handler)
        root.setLevel(old)
    text = out.getvalue()
    assert "audit: start" in text
    assert all(json.loads(line)["level"] != "FAKE" for line in text.splitlines())
    for secret in ("correct horse", "guessed-password", token, cookie, "s" * 64):
        assert secret not in text


async def test_hostile_text_is_refused_and_audited(drover, get_csrf):
    hostile = "wallet\0\x1b[2J"
    async with drover.running(), drover.signed_in() as client:
        body = {"wallet": hostile, "market": "inj-usdt", "type": "spot"}
        answer = await client.post("/api/v1/bots", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_wallet")
    assert drover.store.rows[-1].detail["wallet"] == "wallet\\x00\\x1b[2J"
    async with drover.running(), drover.client(headers={"Accept": "text/html"}) as client:
        token = get_csrf((await client.get("/signin")).text)
        answer = await client.post("/signin", data={"csrf": token, "username": hostile, "password": "x"})
        assert answer.status_code == 401
    assert (drover.store.rows[-1].action, drover.store.rows[-1].who) == ("sign_in", "wallet\\x00\\x1b[2J")


async def test_a_copied_cookie_is_worth_nothing_after_signing_out(drover, get_csrf):
    async with drover.running(), drover.browser() as client, drover.client() as thief:
        thief.cookies = dict(client.cookies)
        assert (await thief.get("/api/v1/bots")).status_code == 200
        token = get_csrf((await client.get("/")).text)
        assert (await client.post("/signout", data={"csrf": token})).status_code == 303
        assert (await thief.get("/api/v1/bots")).status_code == 401
        assert (await thief.get("/cards")).status_code == 401


async def test_a_removed_user_is_signed_out_within_a_minute(drover, monkeypatch):
    monkeypatch.setattr("api.sign_in._CACHED_SECONDS", 0.0)
    async with drover.running(), drover.browser() as client:
        assert (await client.get("/")).status_code == 200
        drover.vault.fail["*"] = VaultUnavailableError()  # who signed in must be able to stop bots
        assert (await client.get("/cards")).status_code == 200
        drover.vault.fail.clear()
        del drover.vault.users["ada"]
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin")


async def test_a_wrong_password_by_basic_is_audited(drover):
    async with drover.running(), drover.client(auth=("ada", "guess")) as client:
        assert (await client.get("/api/v1/bots")).status_code == 401
    (row,) = drover.store.rows
    assert (row.who, row.from_addr, row.action, row.result) == (
        "ada",
        "203.0.113.7",
        "sign_in",
        "wrong_credentials",
    )
