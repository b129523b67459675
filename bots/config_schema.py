"""The JSON Schema (draft 2020-12) of trader_config.json, made from what the reader reads. Pure.

It says all that the reader refuses but one thing: a name that stands twice in an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import strategies
from bots.config_markets import SLUG
from bots.config_model import ON_STOP, TYPES, Execution, RiskLimits
from bots.parameters import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bots.config_model import MarketEntry

__all__ = ["trader_schema"]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def trader_schema(markets: Mapping[str, MarketEntry]) -> dict[str, Any]:
    """Return the schema; bot ids are limited to these markets.

    Raises:
        StrategyError: a strategy's file is wrong.
    """
    known = [strategies.find(name) for name in strategies.names()]
    by_type = {kind: [found for found in known if kind in found.types] for kind in TYPES}
    return {
        "$schema": _DRAFT,
        "title": "trader_config.json",
        **_closed({"defaults": _closed(_refs("defaults")), "bots": _bots(markets)}),
        "allOf": [
            _when(
                _path("defaults", kind, "strategy", {"const": strategy.name}),
                {"properties": {"bots": {"patternProperties": {_ids(kind, markets): _bot(kind, strategy)}}}},
            )
            for kind in TYPES
            for strategy in by_type[kind]
        ],
        "$defs": {
            **{f"defaults_{kind}": _defaults(kind, by_type[kind]) for kind in TYPES},
            **{f"bot_{kind}": _bot_keys(kind, by_type[kind]) for kind in TYPES},
            **{
                f"{strategy.name}_{kind}": _settings(strategy.parameters, kind)
                for kind in TYPES
                for strategy in by_type[kind]
            },
        },
    }


def _refs(prefix: str) -> dict[str, Any]:
    return {kind: {"$ref": f"#/$defs/{prefix}_{kind}"} for kind in TYPES}


def _bots(markets: Mapping[str, MarketEntry]) -> dict[str, Any]:
    patterns = {_ids(kind, markets): ref for kind, ref in _refs("bot").items()}
    return {"type": "object", "patternProperties": patterns, "additionalProperties": False}


def _ids(kind: str, markets: Mapping[str, MarketEntry]) -> str:
    """Return the pattern of a type's bot ids; names of markets hold nothing that a pattern would read."""
    listed = "|".join(sorted(name for name, market in markets.items() if market.type == kind))
    return rf"^{SLUG}\.({listed})\.{kind}$" if listed else "^(?!)$"


def _defaults(kind: str, known: Iterable[strategies.Strategy]) -> dict[str, Any]:
    """Return the schema of a type's defaults: everything, and the parameters of the strategy it names."""
    return {**_closed(_sections(kind, known)), "allOf": [_complete(kind, strategy) for strategy in known]}


def _sections(kind: str, known: Iterable[strategies.Strategy]) -> dict[str, Any]:
    return {
        "strategy": {"enum": [strategy.name for strategy in known]},
        "parameters": {"type": "object"},
        "execution": _settings(Execution, kind),
        "risk": _settings(RiskLimits, kind),
        "on_stop": ON_STOP.schema(kind),
    }


def _bot_keys(kind: str, known: Iterable[strategies.Strategy]) -> dict[str, Any]:
    """Return the schema of a bot's entry but for its parameters: every key may be left to the defaults."""
    sections = _sections(kind, known)
    optional = {name: _partial(section) for name, section in sections.items()}
    return {"type": "object", "properties": optional, "additionalProperties": False}


def _bot(kind: str, default: strategies.Strategy) -> dict[str, Any]:
    """Return what a bot's parameters must be when the defaults name this strategy."""
    adjusted = {"properties": {"parameters": _partial(_settings(default.parameters, kind))}}
    others = [strategies.find(name) for name in strategies.names() if name != default.name]
    same = {"properties": {"strategy": {"const": default.name}}}
    other = [_complete(kind, strategy) for strategy in others if kind in strategy.types]
    return {"if": same, "then": adjusted, "else": {"allOf": other}}


def _complete(kind: str, strategy: strategies.Strategy) -> dict[str, Any]:
    named = {"properties": {"strategy": {"const": strategy.name}}, "required": ["strategy"]}
    needed = ["parameters"] if rules(strategy.parameters) else []
    parameters = {"parameters": {"$ref": f"#/$defs/{strategy.name}_{kind}"}}
    return _when(named, {"properties": parameters, "required": needed})


def _settings(shape: type, kind: str) -> dict[str, Any]:
    return _closed({name: rule.schema(kind) for name, rule in rules(shape).items()})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _partial(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "required"}


def _when(condition: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": then}


def _path(*steps: Any) -> dict[str, Any]:
    """Return a schema that asks for a value at a path; the last step is the value's schema."""
    *names, schema = steps
    for name in reversed(names):
        schema = {"properties": {name: schema}, "required": [name]}
    return dict(schema)
