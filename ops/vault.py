"""The drover command's only user of hvac: four verbs on Vault paths, and its refusals as sentences.

Paths are built by the callers from checked names only.
"""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import hvac
import requests
from hvac import exceptions as hvac_errors

from ops.errors import OpsError
from ops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Vault", "VaultConflictError"]

_TIMEOUT_SECONDS = 15
_MOUNTING_SECONDS = 10.0


class VaultConflictError(OpsError):
    """A check-and-set write found another version than the caller named."""


class Vault:
    """A signed-in connection to one Vault."""

    def __init__(
        self,
        address: str,
        token: Secret,
        *,
        verify: bool | str = True,
        client_certificate: tuple[str, str] | None = None,
        namespace: str | None = None,
    ) -> None:
        """Connect to `address` (`http(s)://host:port`); nothing is sent yet.

        Args:
            address: the API address.
            token: a token that may do what will be asked.
            verify: a file or folder of CA certificates, or True for the system's.
            client_certificate: files of certificate and key, where Vault asks for one.
            namespace: Vault Enterprise's namespace.
        """
        self.address = address.rstrip("/")
        session = requests.Session()
        # A proxy or a .netrc of the environment is not for keys; the caller's settings are all that counts.
        session.trust_env = False
        session.verify = verify
        session.cert = client_certificate
        self._client = hvac.Client(
            url=self.address,
            token=token.reveal(),
            verify=verify,
            cert=client_certificate,
            timeout=_TIMEOUT_SECONDS,
            session=session,
            namespace=namespace,
        )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Vault:
        """Connect as Vault's own CLI would: VAULT_ADDR, VAULT_TOKEN or ~/.vault-token and so on.

        Raises:
            OpsError: the address or the token is missing, or another machine is asked without TLS.
        """
        address = env.get("VAULT_ADDR", "")
        if not address.startswith(("http://", "https://")):
            raise OpsError("VAULT_ADDR is not set; run `drover up`, or put your Vault's address into it.")
        if address.startswith("http://") and not _is_this_machine(address):
            raise OpsError(f"{address} would carry keys in the clear; put an https address into VAULT_ADDR.")
        token = env.get("VAULT_TOKEN") or _token_file(env)
        if not token:
            raise OpsError("VAULT_TOKEN is not set; sign in with `vault login` or put a token into it.")
        certificate, key = env.get("VAULT_CLIENT_CERT"), env.get("VAULT_CLIENT_KEY")
        return cls(
            address,
            Secret(token),
            verify=env.get("VAULT_CACERT") or env.get("VAULT_CAPATH") or True,
            client_certificate=(certificate, key) if certificate and key else None,
            namespace=env.get("VAULT_NAMESPACE") or None,
        )

    def check(self) -> None:
        """Ask Vault who we are.

        Raises:
            OpsError: no answer, sealed, or the token is not valid.
        """
        self._call("auth/token/lookup-self", lambda: self._client.read("auth/token/lookup-self"))

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the `data` of `path`, or None when there is nothing.

        Raises:
            OpsError: Vault refuses or does not answer.
        """
        answer = self._call(path, lambda: self._client.read(path))
        return None if answer is None else dict(answer["data"])

    def list(self, path: str) -> list[str]:
        """Return the names under `path`, sorted; none when there is nothing.

        Raises:
            OpsError: Vault refuses or does not answer.
        """
        answer = self._call(path, lambda: self._client.list(path))
        return [] if answer is None else sorted(answer["data"]["keys"])

    def write(self, path: str, body: Mapping[str, Any]) -> None:
        """Write `body` to `path`. A new KV mount that is still being prepared is waited for.

        Raises:
            VaultConflictError: the `cas` in the body is not the current version.
            OpsError: Vault refuses or does not answer.
        """
        deadline = time.monotonic() + _MOUNTING_SECONDS
        while True:
            try:
                self._call(path, lambda: self._client.write_data(path, data=dict(body)), writes=True)
            except OpsError as refusal:
                if "Upgrading from non-versioned" not in str(refusal) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def delete(self, path: str) -> None:
        """Delete `path`; nothing there is fine.

        Raises:
            OpsError: Vault refuses or does not answer.
        """
        self._call(path, lambda: self._client.delete(path))

    def _call(self, path: str, request: Callable[[], Any], *, writes: bool = False) -> Any:
        # `from None`: hvac's and requests' exceptions carry the request, and a request may carry a key.
        try:
            return request()
        except hvac_errors.InvalidPath:
            if not writes:
                return None
            raise OpsError(
                f"Vault has nothing at {path} to write to; run `drover bootstrap` first."
            ) from None
        except hvac_errors.VaultError as error:
            raise _sentence(self.address, path, error) from None
        except requests.exceptions.SSLError:
            raise OpsError(
                f"Vault at {self.address} is not trusted; name its certificate's CA in VAULT_CACERT."
            ) from None
        except requests.exceptions.RequestException:  # an OSError too, so it stands before it
            raise OpsError(
                f"Vault does not answer at {self.address}; start it, or correct VAULT_ADDR."
            ) from None
        except OSError:  # how requests says that a CA or client certificate file is not there
            raise OpsError("A file named in VAULT_CACERT or VAULT_CLIENT_* cannot be read.") from None


def _sentence(address: str, path: str, error: hvac_errors.VaultError) -> OpsError:
    if isinstance(error, hvac_errors.Forbidden | hvac_errors.Unauthorized):
        return OpsError(
            f"Vault refuses {path}: the token in VAULT_TOKEN is expired or may not do this; sign in anew."
        )
    if isinstance(error, hvac_errors.VaultDown):
        return OpsError(f"Vault at {address} is sealed; unseal it (`drover up` does so for the local one).")
    if isinstance(error, hvac_errors.VaultNotInitialized):
        return OpsError(f"Vault at {address} is not initialised; run `vault operator init`.")
    reasons = " ".join("; ".join(map(str, error.errors or [type(error).__name__])).split())
    if "check-and-set" in reasons:
        return VaultConflictError(f"{path} was written by someone else meanwhile; look at it and try again.")
    return OpsError(f"Vault refuses {path}: {reasons.rstrip('.')}.")


def _is_this_machine(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token_file(env: Mapping[str, str]) -> str:
    """Read where `vault login` leaves the token."""
    home = env.get("HOME")
    try:
        return (Path(home) / ".vault-token").read_text(encoding="utf-8").strip() if home else ""
    except OSError:
        return ""
