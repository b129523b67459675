"""A value that never shows in a log, a traceback or a dump."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from urllib.parse import quote

__all__ = ["Secret", "mask"]

_SHORTEST = 8
"""A shorter one would hide half of every line, and is no secret."""
_forms: set[str] = set()
"""All writings of all secrets of this process, in lower case."""


class Secret:
    """Holds a secret text; every way to print it gives `***`, and `mask` knows it from then on."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST:
            _forms.update(form.lower() for form in _writings(value) if len(form) >= _SHORTEST)

    def reveal(self) -> str:
        """Return the secret, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied or pickled")


def mask(text: str) -> str:
    """Return `text` with every secret of this process replaced; it may be written as JSON, URL or base64.

    For what is logged: the text of a foreign library's error may quote what it was given.
    """
    lowered = text.lower()
    for form in _forms:
        if form in lowered:
            text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
    return text


def _writings(value: str) -> set[str]:
    raws = [value.encode()]
    found = {value, quote(value, safe="")}
    with contextlib.suppress(ValueError):
        raws.append(bytes.fromhex(value.removeprefix("0x")))
        found.add(value.removeprefix("0x"))
        found.add(str(int(value, 16)))
    for raw in raws:
        found |= {encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
        found.add(repr(raw)[2:-1])
    escaped = {json.dumps(form)[1:-1] for form in found}
    # Again: a library that quotes what it was given escapes it once before the log does.
    return found | escaped | {json.dumps(form)[1:-1] for form in escaped}
