"""What must hold after every fault. Pure: records in, sentences about what is broken out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from bots import cid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

_TOLD = 5
"""Examples in one sentence."""


class Filled(NamedTuple):
    """One fill, as the venue or as the ledger has it; human units."""

    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal


FillKey = tuple[str, str]
"""Trade id and cid."""
Tenure = tuple[str, int]
"""A bot's tag and a fence: the fences of different bots may be the same."""


def backward_steps(accepted: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Compare each accepted order with the one before it of the same bot.

    Args:
        accepted: cids in the order in which the venue accepted them.
        names: bot ids by tag; orders of strangers are left alone.

    The fence never goes back, and within a tenure the number only grows: two processes in one tenure would
    each count from 1.
    """
    last: dict[str, cid.Cid] = {}
    found = []
    for text in accepted:
        one = cid.parse(text)
        if one is None or one.tag not in names:
            continue
        before = last.get(one.tag)
        if before and (one.fence, one.number) <= (before.fence, before.number):
            found.append(f"{names[one.tag]}: {one} was accepted after {before}")
        last[one.tag] = one
    return found


def shared_tenures(tenures: Mapping[str, Iterable[Tenure]]) -> list[str]:
    """Return the tenures that more than one process says it had; `tenures` by process."""
    holders = defaultdict(set)
    for process, held in tenures.items():
        for tenure in held:
            holders[tenure].add(process)
    shared = [(tenure, sorted(who)) for tenure, who in holders.items() if len(who) > 1]
    return [f"fence {fence} of {tag} was held by {', '.join(who)}" for (tag, fence), who in shared]


def mixed_tenures(orders: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Return the bots of whose orders in the book, given by cid, some are of another tenure than others."""
    fences = defaultdict(set)
    for one in filter(None, map(cid.parse, orders)):
        fences[one.tag].add(one.fence)
    return [
        f"{names[tag]}: orders of the tenures {sorted(found)} are in the book together"
        for tag, found in fences.items()
        if tag in names and len(found) > 1
    ]


def differences(venue: Mapping[FillKey, Filled], ledger: Mapping[FillKey, Filled]) -> list[str]:
    """Compare the ledger's fills with the venue's, one by one."""
    found = []
    if lost := sorted(venue.keys() - ledger.keys()):
        found.append(f"{len(lost)} fills are not in the ledger: {lost[:_TOLD]}")
    if invented := sorted(ledger.keys() - venue.keys()):
        found.append(f"{len(invented)} fills are in the ledger alone: {invented[:_TOLD]}")
    other = [key for key in sorted(venue.keys() & ledger.keys()) if venue[key] != ledger[key]]
    if other:
        pairs = [(key, venue[key], ledger[key]) for key in other[:_TOLD]]
        found.append(f"{len(other)} fills differ (venue, ledger): {pairs}")
    return found


def unknown_orders(accepted: Iterable[str], names: Mapping[str, str], recorded: set[str]) -> list[str]:
    """Return a sentence when the ledger lacks orders that the venue accepted."""
    parsed = ((text, cid.parse(text)) for text in accepted)
    lost = [text for text, one in parsed if one and one.tag in names and text not in recorded]
    return [f"{len(lost)} accepted orders are not in the ledger: {lost[:_TOLD]}"] if lost else []


def position_gaps(venue: Mapping[str, Decimal], ledger: Mapping[str, Decimal]) -> list[str]:
    """Compare positions by bot; a bot that is missing is flat."""
    return [
        f"{bot}: the venue holds {venue.get(bot, 0)}, the ledger's fills come to {ledger.get(bot, 0)}"
        for bot in sorted(venue.keys() | ledger.keys())
        if venue.get(bot, 0) != ledger.get(bot, 0)
    ]
