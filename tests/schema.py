"""Judges by the part of JSON Schema (draft 2020-12) that our schema uses; another keyword is an error."""

from __future__ import annotations

import re
from decimal import Decimal

_SAID = {"$schema", "$defs", "title", "description"}
_NUMBER = (int, float, Decimal)


def _is(value, kind):
    number = isinstance(value, _NUMBER) and not isinstance(value, bool)
    return {
        "object": isinstance(value, dict),
        "boolean": isinstance(value, bool),
        "number": number,
        "integer": number and value == int(value),
    }[kind]


def _same(left, right):
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _properties(schema, value, root):
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, inner in value.items():
        rules = [known[name]] if name in known else []
        rules += [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
        if not rules and schema.get("additionalProperties") is False:
            return False
        if not all(accepts(rule, inner, root) for rule in rules):
            return False
    return True


def accepts(schema, value, root=None):
    """Return whether the schema accepts the value."""
    root = schema if root is None else root
    checks = {
        "type": lambda kind: _is(value, kind),
        "enum": lambda options: any(_same(value, option) for option in options),
        "const": lambda one: _same(value, one),
        "minimum": lambda low: not _is(value, "number") or value >= Decimal(str(low)),
        "maximum": lambda high: not _is(value, "number") or value <= Decimal(str(high)),
        "required": lambda names: not isinstance(value, dict) or set(names) <= value.keys(),
        "allOf": lambda parts: all(accepts(part, value, root) for part in parts),
        "$ref": lambda ref: accepts(root["$defs"][ref.removeprefix("#/$defs/")], value, root),
    }
    handled = {"properties", "patternProperties", "additionalProperties", "if", "then", "else"} | _SAID
    for keyword, argument in schema.items():
        if keyword not in handled and not checks[keyword](argument):
            return False
    if "if" in schema:
        branch = schema.get("then" if accepts(schema["if"], value, root) else "else", {})
        if not accepts(branch, value, root):
            return False
    return not isinstance(value, dict) or _properties(schema, value, root)
