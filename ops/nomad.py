"""The drover command's only user of Nomad's HTTP API, and its refusals as sentences.

Paths are built by the callers from checked names only.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx

from ops.errors import OpsError
from ops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Nomad"]

_TIMEOUT_SECONDS = 15.0
_NOT_FOUND = 404
_FORBIDDEN = (401, 403)
_ALIVE = {"pending", "running", "unknown"}


class Nomad:
    """A connection to one Nomad region, with an ACL token."""

    def __init__(
        self,
        address: str,
        token: Secret,
        *,
        region: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect to `address` (`http(s)://host:port`); nothing is sent yet."""
        self.address = address.rstrip("/")
        self._http = httpx.Client(
            base_url=self.address,
            headers={"X-Nomad-Token": token.reveal()},
            params={"region": region} if region else None,
            timeout=_TIMEOUT_SECONDS,
            verify=tls or True,
            trust_env=False,  # a proxy or a .netrc of the environment is not for management tokens
        )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Nomad:
        """Connect as Nomad's own CLI would: NOMAD_ADDR, NOMAD_TOKEN, NOMAD_REGION and so on.

        Raises:
            OpsError: the address is missing, or a certificate file cannot be read.
        """
        address = env.get("NOMAD_ADDR", "")
        if not address.startswith(("http://", "https://")):
            raise OpsError("NOMAD_ADDR is not set; run `drover up`, or put your Nomad's address into it.")
        tls = _tls(env) if address.startswith("https://") else None
        return cls(
            address, Secret(env.get("NOMAD_TOKEN", "")), region=env.get("NOMAD_REGION") or None, tls=tls
        )

    def check(self) -> None:
        """Ask Nomad who we are.

        Raises:
            OpsError: no answer, ACLs are off, or the token is not valid.
        """
        self.get("/v1/acl/token/self")

    def get(self, path: str, **params: str) -> Any:
        """Return the decoded answer of `path`, or None when there is nothing.

        Raises:
            OpsError: Nomad refuses or does not answer.
        """
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Any) -> Any:
        """Send `body` as JSON and return the decoded answer.

        Raises:
            OpsError: Nomad refuses or does not answer.
        """
        return self._call("POST", path, body=body)

    def delete(self, path: str) -> None:
        """Delete `path`; nothing there is fine.

        Raises:
            OpsError: Nomad refuses or does not answer.
        """
        self._call("DELETE", path)

    def busy_jobs(self, namespace: str, prefix: str) -> list[str]:
        """Return the ids of the jobs whose id starts with `prefix` and of which a task runs, or may start.

        Raises:
            OpsError: Nomad refuses or does not answer.
        """
        jobs = self.get("/v1/jobs", namespace=namespace, prefix=prefix) or []
        wanted = {job["ID"] for job in jobs if not job["Stop"] and job["Status"] != "dead"}
        allocations = self.get("/v1/allocations", namespace=namespace) or []
        # A stopped job is dead at once, while its task may still be cancelling its orders.
        alive = {
            allocation["JobID"]
            for allocation in allocations
            if allocation["JobID"].startswith(prefix) and allocation["ClientStatus"] in _ALIVE
        }
        return sorted(wanted | alive)

    def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        try:
            answer = self._http.request(method, path, params=params, json=body)
        except httpx.HTTPError as error:
            if "CERTIFICATE" in str(error):
                raise OpsError(
                    f"Nomad at {self.address} is not trusted; name its certificate's CA in NOMAD_CACERT."
                ) from None
            raise OpsError(
                f"Nomad does not answer at {self.address}; start it, or correct NOMAD_ADDR."
            ) from None
        if answer.status_code == _NOT_FOUND and method != "POST":
            return None
        if answer.is_error:
            raise _sentence(path, answer)
        return answer.json() if answer.content.strip() else None


def _sentence(path: str, answer: httpx.Response) -> OpsError:
    reason = " ".join(answer.text.split())[:300]
    if "ACL support disabled" in reason:
        return OpsError("Nomad runs without ACLs: anyone could run a job that reads a key; enable them.")
    # A text that is no accessor is taken for a JWT, and refused with a 500 of the JWT parser.
    if answer.status_code in _FORBIDDEN or "signed token" in reason:
        return OpsError(
            f"Nomad refuses {path}: NOMAD_TOKEN is missing, expired or too weak; use a management token."
        )
    return OpsError(f"Nomad refuses {path}: {reason.rstrip('.') or answer.status_code}.")


def _tls(env: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=env.get("NOMAD_CACERT"), capath=env.get("NOMAD_CAPATH"))
        certificate, key = env.get("NOMAD_CLIENT_CERT"), env.get("NOMAD_CLIENT_KEY")
        if certificate and key:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise OpsError(f"A certificate file named in NOMAD_* cannot be used: {error}.") from None
    return context
