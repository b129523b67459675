"""What a trading-only key should be allowed, in plain words and as the chain's messages want it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bots import addresses, grants
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.config import MarketEntry
    from ops.wallets import WalletRow

__all__ = ["Holding", "Plan", "choose_markets", "market_names", "plan", "require_trading_only", "words"]

_LONGEST_DAYS = 365


@dataclass(frozen=True)
class Holding:
    """A grant that exists."""

    granter: str
    """Bech32, as the next."""
    grantee: str
    grant: grants.Grant


@dataclass(frozen=True)
class Plan:
    """The one grant that a bot needs: `MsgBatchUpdateOrders`, which creates, cancels one and cancels all."""

    granter: str
    grantee: str
    subaccount: str
    """Id."""
    spot: tuple[str, ...]
    """Market ids."""
    derivative: tuple[str, ...]
    until: datetime
    """Aware UTC."""

    @property
    def index(self) -> int:
        """The subaccount's index."""
        return addresses.index_of(self.subaccount)


def require_trading_only(row: WalletRow) -> None:
    """Refuse a wallet whose key is the account's own.

    Raises:
        OpsError: it is, so nothing can be granted.
    """
    if not row.trading_only:
        raise OpsError(
            f"The key of {row.name} is the account's own and may do everything; for a trading-only key make "
            f"a fresh one and add it: drover wallets add NAME --network {row.network} --granter {row.account}"
        )


def choose_markets(
    row: WalletRow, names: Sequence[str], listed: Mapping[str, MarketEntry], jobs: Sequence[str]
) -> list[MarketEntry]:
    """Return the named markets, else those of the wallet's bots (`jobs` are bot ids).

    Raises:
        OpsError: a market that the network does not have, or none at all.
    """
    chosen = sorted(set(names)) or sorted({job.split(".")[1] for job in jobs if job.count(".") == 2})  # noqa: PLR2004 - <wallet>.<market>.<type>
    offered = {name for name, market in listed.items() if row.network in market.market_ids}
    strangers = [name for name in chosen if name not in offered]
    if strangers or not chosen:
        what = (
            f"{strangers[0][:60]!r} is no market of {row.network}"
            if strangers
            else "No bot of the wallet runs"
        )
        raise OpsError(f"{what}; name markets with --market: {', '.join(sorted(offered))}.")
    return [listed[name] for name in chosen]


def plan(row: WalletRow, markets: Sequence[MarketEntry], days: int, now: datetime) -> Plan:
    """Return the grant that the wallet's bots need.

    Raises:
        OpsError: the wallet's key is the account's own, or the days are out of range.
    """
    require_trading_only(row)
    if not 1 <= days <= _LONGEST_DAYS:
        raise OpsError(f"{days} days cannot be granted; choose 1 to {_LONGEST_DAYS}.")
    ids = {
        kind: [m.market_ids[row.network] for m in markets if m.type == kind]
        for kind in ("spot", "derivative")
    }
    return Plan(
        row.account,
        row.address,
        addresses.subaccount(row.account, row.subaccount),
        tuple(ids["spot"]),
        tuple(ids["derivative"]),
        now.replace(microsecond=0) + timedelta(days=days),
    )


def market_names(listed: Mapping[str, MarketEntry], network: str) -> dict[str, str]:
    """Return the names of a network's markets by their ids."""
    return {m.market_ids[network]: name for name, m in listed.items() if network in m.market_ids}


def words(made: Plan, names: Mapping[str, str]) -> list[str]:
    """Return what will be granted, line by line."""
    markets = ", ".join(names.get(market, market) for market in (*made.spot, *made.derivative))
    money = "the whole bank balance" if made.index == 0 else "what was deposited in it, nothing else"
    return [
        f"The account   {made.granter}",
        f"allows        {made.grantee}",
        "to            create and cancel orders (MsgBatchUpdateOrders), and nothing else",
        f"in            {markets}",
        f"on            subaccount {made.index}: {money}",
        f"until         {made.until:%Y-%m-%d %H:%M} UTC",
        "It cannot withdraw, send, transfer or grant. It can lose the subaccount's money by trading badly.",
    ]
