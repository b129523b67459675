"""The one flag that rewrites golden files: `pytest tests/unit --update-golden`; the diff is the review."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture
def golden(request):
    def check(name, text):
        path = DATA / name
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        assert path.exists(), f"{path} is missing; make it with --update-golden and read it"
        assert text == path.read_text(), f"{name} changed; if that is meant, run with --update-golden"

    return check
