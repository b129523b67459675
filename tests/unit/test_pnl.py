"""Average cost: worked examples, and the identity that must hold whatever is traded."""

from __future__ import annotations

import random
from decimal import Context, Decimal
from itertools import pairwise

import pytest

from bots.model import Side
from bots.pnl import Book

BUY, SELL = Side.BUY, Side.SELL


def book(*fills):
    result = Book()
    for side, price, quantity, fee in fills:
        result = result.filled(side, Decimal(price), Decimal(quantity), Decimal(fee))
    return result


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realised"),
    [
        ([], 0, 0, 0),
        ([(BUY, 10, 2, 0)], 2, 10, 0),
        ([(BUY, 10, 2, 0), (BUY, 13, 1, 0)], 3, 11, 0),
        ([(BUY, 10, 2, 0), (SELL, 12, 1, 0)], 1, 10, 2),
        ([(BUY, 10, 2, 0), (SELL, 12, 2, 0)], 0, 0, 4),
        ([(SELL, 10, 2, 0)], -2, 10, 0),
        ([(SELL, 10, 2, 0), (BUY, 9, 1, 0)], -1, 10, 1),
        ([(BUY, 10, 2, 0), (SELL, 12, 5, 0)], -3, 12, 4),
        ([(SELL, 10, 2, 0), (BUY, 12, 3, 0)], 1, 12, -4),
        ([(BUY, 10, 2, "0.5"), (SELL, 12, 2, "-0.2")], 0, 0, "3.7"),
    ],
)
def test_worked_examples(fills, quantity, average, realised):
    result = book(*fills)
    assert (result.quantity, result.average, result.realised) == (
        Decimal(quantity),
        Decimal(average),
        Decimal(realised),
    )
    assert result.fills == len(fills)


def test_marks():
    long, short = book((BUY, 10, 2, 0)), book((SELL, 10, 2, 0))
    assert (long.unrealised(Decimal(11)), short.unrealised(Decimal(11))) == (2, -2)
    assert (book((BUY, 10, 2, 1))).total(Decimal(11)) == 1


@pytest.mark.parametrize("seed", range(40))
def test_profit_is_cash_and_inventory_less_fees(seed):
    """Exactly, over hundreds of fills with 18 decimals, through flat and both sides."""
    dice, exact = random.Random(seed), Context(prec=90)
    result, cash, fees, quantity = Book(), Decimal(0), Decimal(0), Decimal(0)
    for _ in range(300):
        side = dice.choice((BUY, SELL))
        size = Decimal(dice.randint(1, 10**21)).scaleb(-18)
        if quantity and dice.random() < 0.2:  # to flat, to the grain
            side, size = (SELL if quantity > 0 else BUY), abs(quantity)
        price = Decimal(dice.randint(1, 10**22)).scaleb(-18)
        fee = Decimal(dice.randint(-(10**15), 10**16)).scaleb(-18)
        result = result.filled(side, price, size, fee)
        signed = size if side is BUY else -size
        cash = exact.subtract(cash, exact.multiply(signed, price))
        fees, quantity = exact.add(fees, fee), exact.add(quantity, signed)
        mark = Decimal(dice.randint(1, 10**22)).scaleb(-18)
        worth = exact.subtract(exact.add(cash, exact.multiply(quantity, mark)), fees)
        assert result.total(mark) == worth
        assert (result.quantity, result.fees) == (quantity, fees)
        assert (result.cost == 0) if quantity == 0 else (result.cost * quantity > 0)


def test_the_order_of_fills_changes_the_split_but_not_the_total():
    dice = random.Random(7)
    fills = [(dice.choice((BUY, SELL)), dice.randint(8, 12), dice.randint(1, 5), 0) for _ in range(60)]
    totals = {book(*dice.sample(fills, len(fills))).total(Decimal(10)) for _ in range(20)}
    assert len(totals) == 1


def test_a_book_is_not_changed_by_the_next_fill():
    steps = [Book()]
    for price in (10, 11, 12):
        steps.append(steps[-1].filled(BUY, Decimal(price), Decimal(1), Decimal(0)))
    assert [after.quantity - before.quantity for before, after in pairwise(steps)] == [1, 1, 1]
