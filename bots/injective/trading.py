"""Trades one market: what a batch of orders is on the chain, and with which key it is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

from pyinjective.core.broadcaster import MessageBasedTransactionFeeCalculator, MsgBroadcasterWithPk

from bots import grants
from bots.injective.calls import call
from bots.injective.permission import NotGrantedError, batch_grant
from bots.injective.sending import GAS_MARGIN, Sending
from bots.model import Batch, NewOrder, Side
from bots.signing import NoTurn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.grants import Grant
    from bots.model import MarketInfo
    from bots.secret import Secret
    from bots.signing import Turn

__all__ = ["Injective"]

# The chain charges up to 120 000 before the messages, the SDK reckons with 105 000; more costs a trifle.
MessageBasedTransactionFeeCalculator.TRANSACTION_ANTE_GAS_LIMIT = 160_000


class Injective(Sending):
    """Trades one market with one key, for its own account or for one that granted it that."""

    def __init__(  # noqa: PLR0913 - what an account in a market is made of
        self,
        network: Any,
        market_id: str,
        key: Secret,
        address: str,
        *,
        derivative: bool,
        turn: Turn | None = None,
        granter: str = "",
        subaccount: int = 0,
    ) -> None:
        """Open the channels.

        Args:
            network: as `network_for` makes it.
            market_id: 0x and 64 hex digits.
            key: 64 hex digits.
            address: bech32 of the key.
            derivative: whether the market is one.
            turn: shared with all who sign with this key; left out when nobody else does.
            granter: bech32 of the account that the key trades for; empty when it trades its own.
            subaccount: index of the account's subaccount that it trades.
        """
        super().__init__(network, market_id, granter or address, derivative=derivative, subaccount=subaccount)
        self._turn = turn or NoTurn()
        self._signer = address
        self._key = key
        self.grant: Grant | None = None
        """What the granter allows, as of the last `connect`; None without a granter."""

    async def connect(self) -> MarketInfo:
        """Load the market and the account's number and sequence; can be repeated.

        Raises:
            NotGrantedError: the account does not allow this key to trade this market and subaccount.
            ExchangeError: not reachable, the market is not listed, or the account does not exist yet.
        """
        market = await self.load_market()
        await self.resync()
        await self.check_grant()
        gas_price = int(await call(self._client.current_chain_gas_price(), "gas price") * GAS_MARGIN)
        if self._broadcaster is None:
            self._broadcaster = self._make_broadcaster(gas_price)
        return market

    def _make_broadcaster(self, gas_price: int) -> Any:
        common = {
            "network": self._network,
            "gas_price": gas_price,
            "client": self._client,
            "composer": self._composer,
        }
        if self._signer == self._address:
            return MsgBroadcasterWithPk.new_using_gas_heuristics(private_key=self._key.reveal(), **common)
        # Wraps every message in a MsgExec, for which it reckons 20 000 gas more.
        return MsgBroadcasterWithPk.new_for_grantee_account_using_gas_heuristics(
            grantee_private_key=self._key.reveal(), **common
        )

    async def check_grant(self) -> str:
        """Read anew what the account allows this key; returns a warning when that ends soon, else nothing.

        Raises:
            NotGrantedError: it does not allow this market and subaccount.
            ExchangeError: not reachable.
        """
        if self._signer == self._address:
            return ""
        grant = await batch_grant(self._client, self._address, self._signer)
        now = datetime.now(UTC)
        missing = grants.lack(grant, self._subaccount, self._market_id, now, derivative=self._derivative)
        if grant is None or missing:
            raise NotGrantedError(
                f"{self._signer} may not trade for {self._address}: {missing}; "
                "grant it with `drover wallets grant`"
            )
        self.grant = grant
        return grants.ending(grant, now)

    async def submit(
        self,
        batch: Batch,
        permit: Callable[[int], Awaitable[None]] | None = None,
        max_timeout_height: int | None = None,
    ) -> tuple[str, int]:
        """Send one batch; returns its transaction's hash and timeout height once the chain has accepted it.

        A wrong sequence is certain not to have happened: the very same orders, with the same cids, are signed
        anew with the right one, as long as `permit` allows it.

        Args:
            batch: what to create and to cancel.
            permit: asked with the timeout height before each signing; what it raises ends the submission.
            max_timeout_height: the transaction must not outlive this block.

        Raises:
            RejectedError: refused; nothing happened.
            UnknownOutcomeError: sent without an answer; look the transaction up before sending anything new.
            ExchangeError: not even sent.
        """
        return await self._send(self._message(batch), permit, max_timeout_height, patient=bool(batch.create))

    def _message(self, batch: Batch) -> Any:
        kind = "derivative" if self._derivative else "spot"
        content: dict[str, Any] = {
            f"{kind}_orders_to_create": [self._order(order) for order in batch.create],
            f"{kind}_orders_to_cancel": [
                self._composer.order_data_without_mask(
                    market_id=self._market_id,
                    subaccount_id=self._subaccount,
                    order_hash=order.order_hash,
                )
                for order in batch.cancel
            ],
        }
        if batch.cancel_all:
            # A subaccount without a market list is refused (code 58), and so is the reverse.
            content |= {
                "subaccount_id": self._subaccount,
                f"{kind}_market_ids_to_cancel_all": [self._market_id],
            }
        return self._composer.msg_batch_update_orders(sender=self._address, **content)

    def _order(self, order: NewOrder) -> Any:
        side, price, quantity, post_only = order.quote
        common = {
            "market_id": self._market_id,
            "subaccount_id": self._subaccount,
            "fee_recipient": self._address,
            "price": price,
            "quantity": quantity,
            "cid": order.cid,
            "order_type": ("BUY" if side is Side.BUY else "SELL") + ("_PO" if post_only else ""),
        }
        if not self._derivative:
            return self._composer.spot_order(**common)
        margin = order.margin.quantize(Decimal("0.000001"), rounding=ROUND_UP)
        return self._composer.derivative_order(margin=margin, **common)
