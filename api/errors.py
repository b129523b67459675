"""One class per refusal: a stable code, an HTTP status, and a sentence that says what to do."""

from __future__ import annotations

__all__ = [
    "BotAlreadyRunningError",
    "BotBusyError",
    "BotNotFoundError",
    "BotNotRunningError",
    "BotStillRunningError",
    "BotStoppingError",
    "CsrfError",
    "DroverError",
    "InvalidBotIdError",
    "LogsNotFoundError",
    "MainnetNotAllowedError",
    "MainnetNotConfirmedError",
    "MarketNotOnNetworkError",
    "MarketTypeError",
    "MarketsFileError",
    "NomadRefusedError",
    "NomadUnavailableError",
    "NotSignedInError",
    "RenderError",
    "SettingsError",
    "StoreUnavailableError",
    "UnknownMarketError",
    "UnknownNetworkError",
    "UnknownTypeError",
    "UnknownWalletError",
    "VaultUnavailableError",
    "WalletNetworkError",
    "WrongCredentialsError",
    "quoted",
]

_SHOWN = 80


def quoted(text: object) -> str:
    """Return text from outside for use in a sentence: cut, in quotes, control characters escaped."""
    return ascii(str(text)[:_SHOWN])


class DroverError(Exception):
    """A refusal that a person reads. Subclasses set the code and the status."""

    code = "internal_error"
    status = 500
    title = "Something went wrong"
    field: str | None = None
    """The field of the request that is wrong; the page shows the sentence beside it."""


class InvalidBotIdError(DroverError):
    """The text is not a bot id."""

    code = "invalid_bot_id"
    status = 422
    title = "Not a bot id"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{quoted(text)} is not a bot id; write <wallet>.<market>.<type>, such as wallet-1.inj-usdt.spot."
        )


class RenderError(DroverError):
    """A value cannot stand in a job specification."""

    code = "unrenderable_value"
    status = 422
    title = "Value cannot be used in a job"


class SettingsError(DroverError):
    """The environment does not describe a control plane that could run."""

    code = "bad_settings"
    title = "Bad settings"


class MarketsFileError(DroverError):
    """config/markets_config.json is missing or wrong."""

    code = "bad_markets_file"
    title = "Bad markets file"


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


class BotNotFoundError(DroverError):
    """Neither Nomad nor the definitions know the bot."""

    code = "bot_not_found"
    status = 404
    title = "No such bot"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"There is no bot {bot_id}; GET /api/v1/bots lists those there are.")


class BotAlreadyRunningError(DroverError):
    """A second start."""

    code = "bot_already_running"
    status = 409
    title = "Bot is already started"

    def __init__(self, bot_id: object, phase: str) -> None:
        super().__init__(f"{bot_id} is already started ({phase}); stop it before you start it anew.")


class BotStoppingError(DroverError):
    """A start while the process of the last run may still trade."""

    code = "bot_stopping"
    status = 409
    title = "Bot is still stopping"

    def __init__(self, bot_id: object) -> None:
        super().__init__(
            f"{bot_id} is still stopping and cancels its orders; try again when it shows stopped, "
            "within about half a minute."
        )


class BotNotRunningError(DroverError):
    """A restart of a bot that has nothing to restart."""

    code = "bot_not_running"
    status = 409
    title = "Bot is not running"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"{bot_id} is not running; start it instead.")


class BotStillRunningError(DroverError):
    """A delete of a bot that is started."""

    code = "bot_still_running"
    status = 409
    title = "Bot is still running"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"{bot_id} is still running; stop it, and delete it when it shows stopped.")


class BotBusyError(DroverError):
    """Another operation on the same bot is under way."""

    code = "bot_busy"
    status = 409
    title = "Another operation is under way"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"Somebody else is starting or stopping {bot_id} right now; try again in a moment.")


class LogsNotFoundError(DroverError):
    """There is no log to show."""

    code = "logs_not_found"
    status = 404
    title = "No logs"

    def __init__(self, bot_id: object) -> None:
        super().__init__(
            f"Nomad holds no log of {bot_id}; it has not run lately, or has written nothing yet."
        )


class NotSignedInError(DroverError):
    """No sign-in with the request."""

    code = "not_signed_in"
    status = 401
    title = "Not signed in"

    def __init__(self) -> None:
        super().__init__(
            "You are not signed in; send a user name and password (HTTP Basic), or sign in on the page."
        )


class WrongCredentialsError(DroverError):
    """Vault did not accept user name and password."""

    code = "wrong_credentials"
    status = 401
    title = "Wrong user name or password"

    def __init__(self) -> None:
        super().__init__(
            "User name or password is wrong; after five wrong tries Vault locks the user for a while."
        )


class CsrfError(DroverError):
    """A change that another site may have sent."""

    code = "csrf_failed"
    status = 403
    title = "Request did not come from this page"

    def __init__(self) -> None:
        super().__init__(
            "The request does not come from this page as you last loaded it; reload the page, try again."
        )


class NomadUnavailableError(DroverError):
    """Nomad does not answer."""

    code = "nomad_unavailable"
    status = 503
    title = "Nomad does not answer"

    def __init__(self) -> None:
        super().__init__(
            "Nomad does not answer, so nothing can be started or stopped; look again in a moment."
        )


class NomadRefusedError(DroverError):
    """Nomad answered with a refusal."""

    code = "nomad_refused"
    status = 502
    title = "Nomad refused"

    def __init__(self, what: str, said: str, http_status: int = 0) -> None:
        super().__init__(
            f"Nomad refused to {what}: {quoted(said)}; an operator can look at Drover's rights in Nomad."
        )
        self.http_status = http_status
        """What Nomad answered; 0 when unknown."""


class VaultUnavailableError(DroverError):
    """Vault does not answer, is sealed, or refuses the control plane."""

    code = "vault_unavailable"
    status = 503
    title = "Vault does not answer"

    def __init__(self, why: str = "does not answer") -> None:
        super().__init__(
            f"Vault {why}, so wallets and sign-in cannot be checked; an operator can look with: vault status."
        )


class StoreUnavailableError(DroverError):
    """Postgres does not answer."""

    code = "database_unavailable"
    status = 503
    title = "Database does not answer"

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer, so nothing can be started or changed; Stop still works."
        )
