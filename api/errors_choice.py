"""Refusals of a choice: wallet, market, type and network that do not exist or do not fit together."""

from __future__ import annotations

from api.errors import DroverError, quoted

__all__ = [
    "InvalidBotIdError",
    "MainnetNotAllowedError",
    "MainnetNotConfirmedError",
    "MarketNotOnNetworkError",
    "MarketTypeError",
    "UnknownMarketError",
    "UnknownNetworkError",
    "UnknownTypeError",
    "UnknownWalletError",
    "WalletNetworkError",
]


class InvalidBotIdError(DroverError):
    """The text is not a bot id."""

    code = "invalid_bot_id"
    status = 422
    title = "Not a bot id"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{quoted(text)} is not a bot id; write <wallet>.<market>.<type>, such as wallet-1.inj-usdt.spot."
        )


class UnknownWalletError(DroverError):
    """No such wallet in Vault."""

    code = "unknown_wallet"
    status = 422
    title = "Unknown wallet"
    field = "wallet"

    def __init__(self, wallet: str) -> None:
        super().__init__(
            f"There is no wallet {quoted(wallet)}; choose one of GET /api/v1/wallets, "
            "or add it with: drover wallets add NAME."
        )


class UnknownMarketError(DroverError):
    """No such market in config/markets_config.json."""

    code = "unknown_market"
    status = 422
    title = "Unknown market"
    field = "market"

    def __init__(self, market: str) -> None:
        super().__init__(f"There is no market {quoted(market)}; choose one of GET /api/v1/markets.")


class UnknownTypeError(DroverError):
    """Neither spot nor derivative."""

    code = "unknown_type"
    status = 422
    title = "Unknown type"
    field = "type"

    def __init__(self, text: str) -> None:
        super().__init__(f"{quoted(text)} is not a type of bot; write spot or derivative.")


class UnknownNetworkError(DroverError):
    """Not a network that Drover knows."""

    code = "unknown_network"
    status = 422
    title = "Unknown network"
    field = "network"

    def __init__(self, text: str) -> None:
        super().__init__(f"{quoted(text)} is not a network; write paper, testnet or mainnet.")


class MarketTypeError(DroverError):
    """A spot bot for a derivative market, or the other way round."""

    code = "market_type_mismatch"
    status = 422
    title = "Market is of the other type"
    field = "type"

    def __init__(self, market: str, right: str) -> None:
        super().__init__(f"{quoted(market)} is a {right} market; choose type {right}, or another market.")


class MarketNotOnNetworkError(DroverError):
    """The market has no id on the network."""

    code = "market_not_on_network"
    status = 422
    title = "Market is not offered there"
    field = "market"

    def __init__(self, market: str, network: str, offered: str) -> None:
        super().__init__(
            f"{quoted(market)} is not offered on {network}; it is on: {offered or 'no network'}."
        )


class WalletNetworkError(DroverError):
    """The wallet belongs to another network."""

    code = "wallet_network_mismatch"
    status = 422
    title = "Wallet belongs to another network"
    field = "wallet"

    def __init__(self, wallet: str, belongs: str, asked: str) -> None:
        super().__init__(
            f"Wallet {quoted(wallet)} belongs to {quoted(belongs)}, the bot to {asked}; "
            f"choose a wallet of {asked}, or the wallet's own network."
        )


class MainnetNotAllowedError(DroverError):
    """The operator has not turned mainnet on."""

    code = "mainnet_not_allowed"
    status = 403
    title = "Mainnet is turned off"
    field = "network"

    def __init__(self) -> None:
        super().__init__(
            "Mainnet is turned off here; an operator turns it on with DROVER_ALLOW_MAINNET=true, "
            "or choose paper or testnet."
        )


class MainnetNotConfirmedError(DroverError):
    """A start on mainnet that was not confirmed a second time."""

    code = "mainnet_not_confirmed"
    status = 422
    title = "Mainnet was not confirmed"
    field = "confirm_mainnet"

    def __init__(self) -> None:
        super().__init__(
            "On mainnet the bot trades real money; confirm it on every start with confirm_mainnet: true."
        )
