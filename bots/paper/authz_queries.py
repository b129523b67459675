"""The query service of the authz module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.paper.errors import NotFoundError
from bots.paper.proto import authz_pb2, authz_query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bots.paper.authz import Grant
    from bots.paper.chain import Chain

__all__ = ["AuthzQueries"]

_PAGE = 100
"""cosmos-sdk `types/query`: the limit of a page that names none."""


class AuthzQueries:
    """`cosmos.authz.v1beta1.Query`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        """Return the RPCs by name."""
        return {
            "Grants": self._grants,
            "GranterGrants": self._granter_grants,
            "GranteeGrants": self._grantee_grants,
        }

    def _grants(self, request: Any) -> Any:
        found = self._chain.grants.of(request.granter, request.grantee, request.msg_type_url)
        if request.msg_type_url and not found:
            kind = request.msg_type_url[:100]
            raise NotFoundError(f"authorization not found for {kind} type: authorization not found")
        return _answer(authz_query.QueryGrantsResponse(), found, request.pagination, _grant)

    def _granter_grants(self, request: Any) -> Any:
        found = self._chain.grants.of(granter=_required(request.granter))
        return _answer(authz_query.QueryGranterGrantsResponse(), found, request.pagination, _with_pair)

    def _grantee_grants(self, request: Any) -> Any:
        found = self._chain.grants.of(grantee=_required(request.grantee))
        return _answer(authz_query.QueryGranteeGrantsResponse(), found, request.pagination, _with_pair)


def _required(address: str) -> str:
    if not address:
        raise ValueError("empty address string is not allowed")
    return address


def _answer(response: Any, found: Sequence[Grant], page: Any, form: Callable[[Grant], Any]) -> Any:
    begin = int.from_bytes(page.key, "big") if page.key else page.offset
    end = begin + (page.limit or _PAGE)
    response.grants.extend(form(grant) for grant in found[begin:end])
    response.pagination.SetInParent()
    if end < len(found):
        response.pagination.next_key = end.to_bytes(8, "big")
    if page.count_total:
        response.pagination.total = len(found)
    return response


def _grant(grant: Grant) -> Any:
    shown = authz_pb2.Grant(authorization=grant.authorization)
    if grant.expires is not None:
        shown.expiration.FromNanoseconds(grant.expires)
    return shown


def _with_pair(grant: Grant) -> Any:
    shown = authz_pb2.GrantAuthorization(
        granter=grant.granter, grantee=grant.grantee, authorization=grant.authorization
    )
    if grant.expires is not None:
        shown.expiration.FromNanoseconds(grant.expires)
    return shown
