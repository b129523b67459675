"""What a wallet's key may do with the account's money, judged. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bots import addresses, grants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bots.config import MarketEntry
    from ops.grants import Holding
    from ops.wallets import WalletRow

__all__ = ["Finding", "Level", "describe", "examine", "failed", "others", "plain"]

_TRADING = re.compile(
    r"/injective\.exchange\.v\w+\.Msg(BatchUpdateOrders"
    r"|(Batch)?(Create|Cancel)(Spot|Derivative|BinaryOptions)(Limit|Market)?Orders?)",
    re.ASCII,
)
_POWERS = {
    "MsgSend": "send the account's money anywhere",
    "MsgMultiSend": "send the account's money anywhere",
    "MsgTransfer": "send the account's money to another chain",
    "MsgSendToEth": "send the account's money to another chain",
    "MsgWithdraw": "take money out of every subaccount",
    "MsgDeposit": "put the account's money into anybody's subaccount",
    "MsgSubaccountTransfer": "move money between all of the account's subaccounts",
    "MsgExternalTransfer": "send a subaccount's money to anybody's",
    "MsgGrant": "give itself and others every right",
    "MsgExec": "use every right that the account has from others",
    "MsgExecuteContract": "pay the account's money to any contract",
    "MsgExecuteContractCompat": "pay the account's money to any contract",
    "MsgPrivilegedExecuteContract": "pay the account's money to any contract",
    "MsgIncreasePositionMargin": "take money out of the account's other subaccounts",
    "MsgDecreasePositionMargin": "take margin out of positions",
}


class Level(StrEnum):
    """How bad it is; `danger` and `missing` fail the check."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    DANGER = "danger"


@dataclass(frozen=True)
class Finding:
    """One sentence about a key."""

    level: Level
    text: str


def describe(holding: Holding, names: Mapping[str, str]) -> str:
    """Return a grant in plain words."""
    grant = holding.grant
    where = "every market, every subaccount"
    if grant.limited:
        markets = ", ".join(sorted(names.get(market, market) for market in grant.markets)) or "no market"
        where = f"subaccount {addresses.index_of(grant.subaccount)}, {markets}"
    until = f"until {grant.until:%Y-%m-%d %H:%M} UTC" if grant.until else "for ever"
    return f"{grant.message.removeprefix('/')}: {where}, {until}"


def examine(
    row: WalletRow,
    holdings: Sequence[Holding],
    markets: Sequence[MarketEntry],
    names: Mapping[str, str],
    now: datetime,
) -> list[Finding]:
    """Judge a key by the grants that it holds; `markets` are those that it must be able to trade."""
    if not row.trading_only:
        own = (
            f"The key owns {row.account}: whoever has it can withdraw and send everything the account holds."
        )
        found = [Finding(Level.DANGER, own)]
    else:
        found = [*_able(row, holdings, markets, now)]
    for holding in holdings:
        found += _judge(row, holding, names, now)
    return found


def _able(
    row: WalletRow, holdings: Sequence[Holding], markets: Sequence[MarketEntry], now: datetime
) -> list[Finding]:
    """Say whether it may trade what it must."""
    of_account = (h.grant for h in holdings if h.granter == row.account and h.grant.message == grants.BATCH)
    grant = next(of_account, None)
    subaccount = addresses.subaccount(row.account, row.subaccount)
    lacking = {
        grants.lack(grant, subaccount, m.market_ids[row.network], now, derivative=m.type == "derivative")
        for m in markets
    }
    if grant is None:
        lacking = {grants.lack(None, subaccount, "", now, derivative=False)}
    return [Finding(Level.MISSING, _sentence(text)) for text in sorted(lacking) if text] or [
        Finding(Level.OK, f"The key may trade subaccount {row.subaccount} of {row.account}.")
    ]


def _judge(row: WalletRow, holding: Holding, names: Mapping[str, str], now: datetime) -> list[Finding]:
    grant, found = holding.grant, []
    whose = "" if holding.granter == row.account else f"For {holding.granter}: "
    text = whose + describe(holding, names)
    if not _TRADING.fullmatch(grant.message):
        power = _POWERS.get(grant.message.rpartition(".")[2], "do what trading does not need")
        found.append(Finding(Level.DANGER, f"{text}. With it the key can {power}."))
    elif not grant.limited:
        found.append(
            Finding(Level.DANGER, f"{text}. It is not limited, so the whole bank balance can be traded.")
        )
    else:
        found.append(Finding(Level.OK, f"{text}."))
        if addresses.index_of(grant.subaccount) == 0:
            found.append(
                Finding(Level.NOTE, "Subaccount 0 is the whole bank balance; a bot should have its own.")
            )
    if ending := grants.ending(grant, now):
        found.append(Finding(Level.NOTE, _sentence(ending)))
    return found


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def others(row: WalletRow, given: Sequence[Holding], names: Mapping[str, str]) -> list[Finding]:
    """Tell of every other address that may act for the account, such as a former key's."""
    return [
        Finding(
            Level.NOTE,
            f"{holding.grantee} may act for {row.account} too: {describe(holding, names)}. Take it back: "
            f"drover wallets revoke-grants {row.name} --grantee {holding.grantee}",
        )
        for holding in given
        if holding.grantee != row.address
    ]


def failed(findings: Sequence[Finding]) -> bool:
    """Say whether the key could take money out, or cannot trade."""
    return any(finding.level in {Level.DANGER, Level.MISSING} for finding in findings)


def plain(row: WalletRow, holdings: Sequence[Holding], findings: Sequence[Finding]) -> dict[str, object]:
    """Return the report as JSON has it."""
    levels = {finding.level for finding in findings}
    return {
        "wallet": row.name,
        "network": row.network,
        "address": row.address,
        "account": row.account,
        "subaccount": row.subaccount,
        "trading_only": row.trading_only,
        "can_trade": Level.MISSING not in levels,
        "dangerous": Level.DANGER in levels,
        "grants": [
            {
                "granter": holding.granter,
                "message": holding.grant.message,
                "limited": holding.grant.limited,
                "subaccount": addresses.index_of(holding.grant.subaccount) if holding.grant.limited else None,
                "markets": sorted(holding.grant.markets),
                "until": holding.grant.until.isoformat() if holding.grant.until else None,
            }
            for holding in holdings
        ],
        "findings": [{"level": str(finding.level), "text": finding.text} for finding in findings],
    }
