"""The only module that talks to Vault (hvac): wallets' metadata and sign-in. It never reads a key."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from api.errors import VaultUnavailableError, WrongCredentialsError
from api.errors_choice import UnknownWalletError
from api.models import SLUG, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from api.credentials import Credentials, Secret

__all__ = ["USERNAME", "VaultClient"]

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
"""A page user's name: what may stand in a Vault path."""
_USERS, _WALLETS = "users", "wallets"
_TIMEOUT = 5
_PATIENCE = 6.0
"""Seconds for one call, the wait for a thread included."""
_THREADS = 8


class VaultClient:
    """Vault, as far as the control plane needs it. Every method may raise VaultUnavailableError."""

    def __init__(self, address: str, credentials: Credentials, ca: Path | None = None) -> None:
        self._address = address
        self._credentials = credentials
        self._verify: str | bool = str(ca) if ca else True
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment must not see tokens
        # Threads of its own: while Vault hangs, everything else must go on.
        self._threads = ThreadPoolExecutor(_THREADS, "vault")

    async def aclose(self) -> None:
        """Close all connections."""
        self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ping(self) -> None:
        """List the wallets: that needs Vault up and unsealed, and a good token."""
        await self._call(_names)

    async def wallets(self) -> list[Wallet]:
        """Return all wallets by name, with what their metadata says."""
        names = await self._call(_names)
        found = await asyncio.gather(*(self._metadata(name) for name in names))
        return [wallet for wallet in found if wallet]

    async def wallet(self, name: str) -> Wallet:
        """Return one wallet.

        Raises:
            UnknownWalletError: there is none of that name that holds a key.
        """
        wallet = await self._metadata(name) if SLUG.fullmatch(name) else None
        if wallet is None:
            raise UnknownWalletError(name)
        return wallet

    async def check_password(self, username: str, password: Secret) -> None:
        """Sign a page user in; the token that Vault answers with is forgotten at once.

        Raises:
            WrongCredentialsError: Vault refuses, or the name cannot be a user's.
        """
        if not USERNAME.fullmatch(username):
            raise WrongCredentialsError

        def login(client: Any) -> None:
            client.auth.userpass.login(
                username=username, password=password.reveal(), use_token=False, mount_point=_USERS
            )

        try:
            await self._call(login, token="")
        except _RefusedError:
            raise WrongCredentialsError from None

    async def has_user(self, username: str) -> bool:
        """Tell whether there is such a page user."""

        def read(client: Any) -> bool:
            try:
                client.auth.userpass.read_user(username=username, mount_point=_USERS)
            except InvalidPath:
                return False
            return True

        return bool(USERNAME.fullmatch(username)) and bool(await self._call(read))

    async def _metadata(self, name: str) -> Wallet | None:
        def read(client: Any) -> Any:
            try:
                return client.secrets.kv.v2.read_secret_metadata(path=name, mount_point=_WALLETS)["data"]
            except InvalidPath:
                return None

        data = await self._call(read)
        return _wallet(name, data) if data else None

    async def _call(self, call: Callable[[Any], Any], *, token: str | None = None) -> Any:
        """Run one hvac call in a thread; its exceptions end here."""
        client = hvac.Client(
            url=self._address,
            token=self._credentials.vault_token().reveal() if token is None else token,
            verify=self._verify,
            timeout=_TIMEOUT,
            session=self._session,
            allow_redirects=False,
        )
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, call, client)
            return await asyncio.wait_for(work, _PATIENCE)
        except (Forbidden, InvalidRequest):
            # no cause: hvac's message and the request behind it may hold the password
            if token is None:
                raise VaultUnavailableError("refuses the control plane's token") from None
            raise _RefusedError from None
        except (VaultError, requests.RequestException, TimeoutError):
            raise VaultUnavailableError from None


class _RefusedError(Exception):
    """Vault refused a page user."""


def _names(client: Any) -> list[str]:
    try:
        keys = client.secrets.kv.v2.list_secrets(path="", mount_point=_WALLETS)["data"]["keys"]
    except InvalidPath:  # no wallet yet
        return []
    return sorted(key for key in keys if SLUG.fullmatch(key))


def _wallet(name: str, data: dict[str, Any]) -> Wallet | None:
    """Read one metadata document; None when its newest version was deleted, so that there is no key."""
    version = int(data.get("current_version") or 0)
    newest = (data.get("versions") or {}).get(str(version)) or {}
    if not version or newest.get("deletion_time") or newest.get("destroyed"):
        return None
    custom = data.get("custom_metadata") or {}
    return Wallet(
        name=name,
        address=custom.get("address", ""),
        account=custom.get("account", ""),
        network=custom.get("network", ""),
        label=custom.get("label", ""),
        key_version=version,
    )
