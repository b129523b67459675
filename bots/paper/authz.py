"""Who may act for whom: the grants of the chain's authz module, and `MsgExec`, which uses them.

Codes and texts: cosmos-sdk `x/authz` 0.50 (errors.go, keeper.go, msg_server.go).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import any_pb2  # type: ignore[import-untyped]  # ships no types

from bots.paper import authz_limits, messages_form
from bots.paper.errors import VenueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Grant", "Grants"]

_NANO = 10**6
"""Nanoseconds in a millisecond."""

Key = tuple[str, str, str]
"""Granter, grantee, type URL of the message."""


@dataclass(frozen=True)
class Grant:
    """One permission that one account gave another."""

    granter: str
    grantee: str
    message: str
    """Type URL of the message that it allows."""
    authorization: Any
    """The Any that the granter signed."""
    expires: int | None
    """Unix nanoseconds; None is for ever."""


class Grants:
    """All grants; every change leaves its inverse in `undo`, as the ledger's do."""

    def __init__(self, undo: list[Callable[[], None]]) -> None:
        self._undo = undo
        self._by_key: dict[Key, Grant] = {}

    def save(self, message: Any, now: int) -> None:
        """Take a `MsgGrant` in a block of time `now` (Unix milliseconds).

        It takes the place of an older grant of the same pair for the same message.

        Raises:
            VenueError: authz code 3, it would be over before this block.
        """
        expires = None
        if message.grant.HasField("expiration"):
            expires = message.grant.expiration.ToNanoseconds()
            if expires <= now * _NANO:
                raise VenueError(
                    3,
                    f"expiration must be after the current block time ({now} ms), got {expires // _NANO} ms: "
                    "expiration time of authorization should be more than current time",
                    "authz",
                )
        allowed = authz_limits.message_type(authz_limits.unpack(message.grant.authorization))
        self._put(
            Grant(message.granter, message.grantee, allowed, _copy(message.grant.authorization), expires)
        )

    def _put(self, grant: Grant) -> None:
        key = (grant.granter, grant.grantee, grant.message)
        before = self._by_key.get(key)
        self._by_key[key] = grant
        self._undo.append(lambda: self._back(key, before))

    def _back(self, key: Key, before: Grant | None) -> None:
        if before is None:
            del self._by_key[key]
        else:
            self._by_key[key] = before

    def revoke(self, message: Any) -> None:
        """Forget what a `MsgRevoke` names.

        Raises:
            VenueError: authz code 2, there is no such grant.
        """
        key = (message.granter, message.grantee, message.msg_type_url)
        if key not in self._by_key:
            raise VenueError(2, f"failed to delete grant with key {key}: authorization not found", "authz")
        before = self._by_key.pop(key)
        self._undo.append(lambda: self._back(key, before))

    def require(self, grantee: str, message: Any, now: int) -> None:
        """Refuse a message that its signer did not allow `grantee` to send; one's own needs no grant.

        Raises:
            VenueError: authz code 2 (no grant), 6 (it is over), sdk code 4 (outside of its limits).
        """
        granter, allowed = messages_form.signer_of(message), messages_form.type_url(message)
        if granter == grantee:
            return
        grant = self._by_key.get((granter, grantee, allowed))
        if grant is None:
            raise VenueError(
                2,
                f"failed to get grant with given granter: {granter[:60]}, grantee: {grantee} & msgType: "
                f"{allowed} : authorization not found",
                "authz",
            )
        if grant.expires is not None and grant.expires < now * _NANO:
            raise VenueError(6, "authorization expired", "authz")
        authz_limits.accept(authz_limits.unpack(grant.authorization), message)

    def prune(self, now: int) -> None:
        """Forget what is over, as the chain does at the beginning of a block."""
        over = [k for k, g in self._by_key.items() if g.expires is not None and g.expires <= now * _NANO]
        for key in over:
            del self._by_key[key]

    def of(self, granter: str = "", grantee: str = "", message: str = "") -> list[Grant]:
        """Return the grants that match what is given, in the order of their keys."""
        wanted = (granter, grantee, message)
        return [
            grant
            for key, grant in sorted(self._by_key.items())
            if all(want in {"", have} for want, have in zip(wanted, key, strict=True))
        ]

    def plain(self) -> dict[str, tuple[str, str, int | None]]:
        """Return the state: type URL, content (base64) and end by the words of the key."""
        return {
            " ".join(key): (
                grant.authorization.type_url,
                base64.b64encode(grant.authorization.value).decode(),
                grant.expires,
            )
            for key, grant in self._by_key.items()
        }

    def load(self, plain: Mapping[str, Sequence[Any]]) -> None:
        """Take what `plain` returned.

        Raises:
            ValueError: it is something else.
        """
        for words, (url, value, expires) in plain.items():
            granter, grantee, message = words.split(" ")
            authorization = any_pb2.Any(type_url=url, value=base64.b64decode(value, validate=True))
            self._by_key[granter, grantee, message] = Grant(granter, grantee, message, authorization, expires)


def _copy(wrapped: Any) -> Any:
    return any_pb2.Any(type_url=wrapped.type_url, value=wrapped.value)
