"""BotSpec → HCL: golden files, and values that try to be more than values."""

from __future__ import annotations

import pytest

from api.errors import RenderError
from api.errors_choice import InvalidBotIdError
from api.models import BotId, BotSpec, BotType, Network
from api.render import JobSettings, _environment, hcl, render_bot, template_hash

SETTINGS = JobSettings(
    bot_image="sha256:" + "b" * 64,
    redis_addr="172.17.0.1:6379",
    ledger_addr="172.17.0.1:5432",
    paper_grpc="172.17.0.1:9900",
    paper_http="http://172.17.0.1:9901",
)
MARKETS = {BotType.SPOT: "inj-usdt", BotType.DERIVATIVE: "inj-usdt-perp"}


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("kind", list(BotType))
def test_golden(golden, kind, network):
    spec = BotSpec(BotId("wallet-1", MARKETS[kind], kind), network)
    golden(f"bot.{kind.value}.{network.value}.nomad.hcl", render_bot(spec, SETTINGS))


def test_rendering_is_pure():
    spec = BotSpec(BotId("wallet-1", "inj-usdt", BotType.SPOT), Network.PAPER)
    assert render_bot(spec, SETTINGS) == render_bot(spec, SETTINGS)
    assert len(template_hash()) == 64


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        (7, '"7"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a\nb\tc\rd", r'"a\nb\tc\rd"'),
        ("${", '"$${"'),
        ("%{ if true }", '"%%{ if true }"'),
        ("{{ with secret }}", '"{{ with secret }}"'),
        ("[[ x ]]", '"[[ x ]]"'),
        ("ümläut 世界 🐕", '"ümläut 世界 🐕"'),
        ('"\nvault { role = "x" }', r'"\"\nvault { role = \"x\" }"'),
        ("$${", '"$$${"'),
        ("${ upper(x) }", '"$${ upper(x) }"'),
    ],
)
def test_hcl_quotes(value, text):
    assert hcl(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "${NOMAD_TOKEN}",
        "a${node.unique.id}",
        "\x00",
        "a\x1bb",
        "\u2028",
        "\u202e",
        "\ud800",
        True,
        None,
        1.5,
        ["x"],
    ],
)
def test_hcl_refuses(value):
    with pytest.raises(RenderError, match=r"\.$"):
        hcl(value)


def test_a_forgotten_filter_cannot_pass():
    with pytest.raises(RenderError):
        _environment().from_string("[[ x ]]").render(x="y")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.spot.x",
        "A.b.spot",
        "a.b.SPOT",
        "a.b.future",
        "1a.b.spot",
        "a.b\n.spot",
        "a.b.spot\n",
        "a/../b.c.spot",
        "ä.b.spot",
        "a" * 32 + ".b.spot",
        "a..spot",
        "a.b.spot?purge=true",
    ],
)
def test_bot_ids_that_are_none(text):
    with pytest.raises(InvalidBotIdError) as refused:
        BotId.parse(text)
    assert "\n" not in str(refused.value)


def test_bot_id_reads_back_what_it_writes():
    longest = BotId("w" * 31, "m" * 31, BotType.DERIVATIVE)
    assert BotId.parse(str(longest)) == longest
    assert len(str(longest)) == 74
