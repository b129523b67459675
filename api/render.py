"""BotSpec → job HCL. Pure: the same input gives the same text, and nothing is read but the template."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from api.errors import RenderError
from api.models import BotSpec, Network

__all__ = ["JobSettings", "hcl", "render_bot", "template_hash"]

_TEMPLATE = "bot.nomad.hcl.j2"
TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "nomad"

# Nomad's client interpolates ${name} a second time when the task starts (helper/args.ReplaceEnv), after
# the HCL escape has been undone: such a value could read node attributes, so no escape is enough for it.
_RUNTIME_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_.\-]+\}")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class JobSettings:
    """What the operator decided for all bots of one cluster."""

    bot_image: str
    """Image id (`sha256:…`), digest or tag that the nodes hold or can pull."""
    redis_addr: str
    """`host:port` of Redis as a bot's container reaches it."""
    ledger_addr: str
    """`host:port` of the ledger's Postgres as a bot's container reaches it."""
    paper_grpc: str
    """`host:port` of the paper venue's gRPC server as a bot's container reaches it."""
    paper_http: str
    """`http://host:port` of the paper venue's token list."""
    ledger_db: str = "drover"
    datacenter: str = "dc1"
    log_level: str = "INFO"


def hcl(value: object) -> str:
    """Return `value` as a quoted HCL string that means exactly `value`.

    Raises:
        RenderError: not text or a number, a control character, or a `${name}` that Nomad would
            replace when the task starts.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RenderError(f"a {type(value).__name__} cannot stand in a job; give text or a whole number.")
    text = str(value)
    if _RUNTIME_REFERENCE.search(text):
        raise RenderError(f"{text[:80]!r} holds a ${{…}} reference, which Nomad would replace; take it out.")
    escaped = "".join(_ESCAPES.get(char, char) for char in text)
    if not escaped.isprintable():
        raise RenderError(f"{text[:80]!r} holds a control character; take it out.")
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def _no_raw_output(value: object) -> str:
    """Stand between every expression and the text, so that a forgotten `| hcl` cannot pass."""
    if isinstance(value, _Quoted):
        return value
    raise RenderError("the template prints a value without the hcl filter.")


class _Quoted(str):
    """Text that has been through the filter."""

    __slots__ = ()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - this is HCL, not HTML; the hcl filter below is its escape
        finalize=_no_raw_output,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    environment.filters["hcl"] = lambda value: _Quoted(hcl(value))
    environment.filters["hcl_list"] = lambda value: _Quoted(f"[{hcl(value)}]")
    return environment


def render_bot(spec: BotSpec, settings: JobSettings) -> str:
    """Render the Nomad job of one bot as HCL.

    Raises:
        RenderError: a value cannot stand in a job.
    """
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            id=str(spec.id),
            wallet=spec.id.wallet,
            market=spec.id.market,
            type=spec.id.type.value,
            network=spec.network.value,
            role=f"wallet-{spec.id.wallet}",
            logs=f"logs-{spec.id.wallet}",
            paper=spec.network is Network.PAPER,
            settings=settings,
        )
    )


@cache
def template_hash() -> str:
    """Return the SHA-256 of the template, which tells later which template a version was rendered from."""
    return hashlib.sha256((TEMPLATES / _TEMPLATE).read_bytes()).hexdigest()
