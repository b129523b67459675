"""The one error the drover command shows to a person."""

from __future__ import annotations

__all__ = ["OpsError"]


class OpsError(Exception):
    """One sentence that says what is wrong and what to do; the command prints it and exits 1."""
