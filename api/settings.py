"""Settings from the environment: every `DROVER_*` variable is known and right, or the API does not start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.errors import SettingsError, quoted
from api.render import JobSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Settings"]

_ROOT = Path(__file__).resolve().parent.parent
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("write true or false")
    return text == "true"


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+/?|unix:///[^\s?#]+", text):
        raise ValueError("write http(s)://host:port or unix:///path")
    return text.rstrip("/")


def _host_port(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.\[\]:_-]+:[0-9]{1,5}", text):
        raise ValueError("write host:port")
    return text


def _web(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+", text):
        raise ValueError("write http://host:port")
    return text


def _level(text: str) -> str:
    if text not in _LEVELS:
        raise ValueError(f"write one of {', '.join(_LEVELS)}")
    return text


def _text(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise ValueError("write one word without spaces")
    return text


def _proxy(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F.:/,]*", text):
        raise ValueError("write addresses with commas between, or nothing")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:  # noqa: PLR2004 - the highest TCP port
        raise ValueError("write a whole number from 1 to 65535")
    return int(text)


_DEFAULT_MARKETS = _ROOT / "config" / "markets_config.json"
_DEFAULT_SECRETS = Path("/secrets")


def _setting(parse: Callable[[str], Any], default: Any = ...) -> Any:
    """Declare a setting: without a default it must be given."""
    metadata = {"parse": parse}
    return field(metadata=metadata) if default is ... else field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each field is read from `DROVER_<FIELD>`."""

    bot_image: str = _setting(_text)
    """Image id, digest or tag of the bots."""
    vault_addr: str = _setting(_address)
    redis_addr: str = _setting(_host_port)
    """`host:port` of Redis as a bot's container reaches it."""
    ledger_addr: str = _setting(_host_port)
    """`host:port` of the ledger's Postgres as a bot's container reaches it."""
    paper_grpc: str = _setting(_host_port)
    """`host:port` of the paper venue as a bot's container reaches it."""
    paper_http: str = _setting(_web)
    nomad_addr: str = _setting(_address, "unix:///secrets/api.sock")
    """Nomad's Task API socket, or an address for tests and operators' set-ups."""
    nomad_ca: Path | None = _setting(Path, default=None)  # noqa: RUF009 - it returns a dataclass field
    vault_ca: Path | None = _setting(Path, default=None)  # noqa: RUF009 - it returns a dataclass field
    secrets_dir: Path = _setting(Path, default=_DEFAULT_SECRETS)  # noqa: RUF009 - as above
    markets_file: Path = _setting(Path, default=_DEFAULT_MARKETS)  # noqa: RUF009 - as above
    ledger_db: str = _setting(_text, "drover")
    datacenter: str = _setting(_text, "dc1")
    allow_mainnet: bool = _setting(_flag, default=False)
    log_level: str = _setting(_level, "INFO")
    bot_log_level: str = _setting(_level, "INFO")
    listen: str = _setting(_text, "0.0.0.0")  # noqa: S104 - inside its container; Docker publishes one address of it
    port: int = _setting(_count, 8000)
    trusted_proxy: str = _setting(_proxy, "")
    """Address of the reverse proxy whose X-Forwarded-* headers are believed; none by default."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: a variable is unknown, missing or wrong; the sentence names each.
        """
        given = {name: text for name, text in environment.items() if name.startswith("DROVER_")}
        known = {f"DROVER_{item.name.upper()}": item for item in fields(cls)}
        wrong = [f"{name} is not a setting" for name in sorted(given.keys() - known.keys())]
        values: dict[str, Any] = {}
        for name, item in known.items():
            if name in given:
                try:
                    values[item.name] = item.metadata["parse"](given[name])
                except ValueError as error:
                    wrong.append(f"{name}={quoted(given[name])} is wrong ({error})")
            elif item.name in _REQUIRED:
                wrong.append(f"{name} is missing")
        if wrong:
            raise SettingsError("; ".join(wrong) + ": put that right in the environment of the API's job.")
        return cls(**values)

    def job(self) -> JobSettings:
        """Return what the job template needs of the settings."""
        return JobSettings(
            bot_image=self.bot_image,
            redis_addr=self.redis_addr,
            ledger_addr=self.ledger_addr,
            ledger_db=self.ledger_db,
            paper_grpc=self.paper_grpc,
            paper_http=self.paper_http,
            datacenter=self.datacenter,
            log_level=self.bot_log_level,
        )


_REQUIRED = {"bot_image", "vault_addr", "redis_addr", "ledger_addr", "paper_grpc", "paper_http"}
