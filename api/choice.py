"""Which bot may be started: the request's choice checked against markets, wallets and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.errors_choice import (
    MainnetNotAllowedError,
    MainnetNotConfirmedError,
    MarketNotOnNetworkError,
    MarketTypeError,
    UnknownMarketError,
    UnknownNetworkError,
    UnknownTypeError,
    WalletNetworkError,
)
from api.models import BotId, BotSpec, BotType, Network

if TYPE_CHECKING:
    from api.models import Market, Wallet
    from api.vault_client import VaultClient

__all__ = ["Catalog"]


class Catalog:
    """The markets of the file, the wallets in Vault, and whether mainnet is turned on."""

    def __init__(self, markets: dict[str, Market], vault: VaultClient, *, allow_mainnet: bool) -> None:
        self.markets = markets
        self.allow_mainnet = allow_mainnet
        self._vault = vault

    async def wallets(self) -> list[Wallet]:
        """Return all wallets that hold a key."""
        return await self._vault.wallets()

    def networks(self) -> list[Network]:
        """Return the networks on which any market is offered and that are turned on."""
        offered = {network for market in self.markets.values() for network in market.market_ids}
        off = set() if self.allow_mainnet else {Network.MAINNET}
        return [network for network in Network if network in offered - off]

    async def choose(self, wallet: str, market: str, kind: str, network: str | None) -> BotSpec:
        """Check a choice; no network means paper.

        Raises:
            DroverError: the first thing that is wrong, each with its own code.
        """
        chosen = self._market(market, kind, network)
        found = await self._vault.wallet(wallet)
        if found.network and found.network != chosen:
            raise WalletNetworkError(wallet, found.network, chosen)
        return BotSpec(BotId(wallet, market, BotType(kind)), chosen)

    def _market(self, market: str, kind: str, network: str | None) -> Network:
        if kind not in set(BotType):
            raise UnknownTypeError(kind)
        if market not in self.markets:
            raise UnknownMarketError(market)
        if self.markets[market].type != kind:
            raise MarketTypeError(market, self.markets[market].type)
        if network is not None and network not in set(Network):
            raise UnknownNetworkError(network)
        chosen = Network(network or Network.PAPER)
        if chosen not in self.markets[market].market_ids:
            raise MarketNotOnNetworkError(market, chosen, ", ".join(self.markets[market].market_ids))
        return chosen

    def allow(self, spec: BotSpec, *, confirmed: bool) -> None:
        """Let a start on mainnet pass only when it is turned on and was confirmed.

        Raises:
            MainnetNotAllowedError: it is turned off.
            MainnetNotConfirmedError: this start was not confirmed.
        """
        if spec.network is Network.MAINNET and not self.allow_mainnet:
            raise MainnetNotAllowedError
        if spec.network is Network.MAINNET and not confirmed:
            raise MainnetNotConfirmedError
