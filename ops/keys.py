"""Wallet names and private keys, checked; pure.

A key is 32 bytes of secp256k1, written as 64 hex digits. Its Injective address is the Ethereum one, in
bech32: the last 20 bytes of keccak256 of the uncompressed public key (without its 0x04), prefix `inj`.
"""

from __future__ import annotations

import re
import secrets

import coincurve
import sha3
from bech32 import bech32_decode, bech32_encode, convertbits

from api.models import SLUG, Network
from ops.errors import OpsError
from ops.secret import Secret

__all__ = [
    "address_of",
    "check_address",
    "check_label",
    "check_name",
    "check_network",
    "check_subaccount",
    "new_key",
    "parse_key",
]

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""n of secp256k1 (SEC 2, section 2.4.1); a private key is 1 … n-1."""
_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})", re.ASCII)
_ADDRESS_BYTES = 20
_LABEL_LENGTH = 80
_HIGHEST_SUBACCOUNT = 999


def check_name(name: str) -> str:
    """Return a wallet's name as it is.

    Raises:
        OpsError: the name cannot be part of a bot id, a policy name and a role name.
    """
    if not SLUG.fullmatch(name):
        raise OpsError(
            f"{name[:40]!r} is not a wallet name; use a lower-case letter, then up to 30 lower-case letters, "
            "digits and hyphens, such as wallet-1."
        )
    return name


def check_network(network: str) -> str:
    """Return the network's name as it is.

    Raises:
        OpsError: no such network.
    """
    if network not in set(Network):
        raise OpsError(f"{network[:40]!r} is not a network; choose one of {', '.join(Network)}.")
    return network


def check_label(label: str) -> str:
    """Return a label without surrounding spaces.

    Raises:
        OpsError: too long, or not printable.
    """
    label = label.strip()
    if len(label) > _LABEL_LENGTH or not label.isprintable():
        raise OpsError(f"The label must be at most {_LABEL_LENGTH} printable characters; shorten it.")
    return label


def check_subaccount(index: int) -> int:
    """Return a subaccount's index as it is.

    Raises:
        OpsError: below 0 or above 999, the largest that bots take.
    """
    if not 0 <= index <= _HIGHEST_SUBACCOUNT:
        raise OpsError(
            f"{index} is no subaccount; choose one from 0 (the bank balance) to {_HIGHEST_SUBACCOUNT}."
        )
    return index


def parse_key(text: str) -> Secret:
    """Return a private key as 64 lower-case hex digits. The message of a refusal never quotes the text.

    Raises:
        OpsError: not 32 bytes of hex, or not a private key of secp256k1.
    """
    text = text.strip()
    if " " in text:
        raise OpsError("That is not one private key; export the wallet's key as 64 hex digits, not words.")
    match = _KEY.fullmatch(text)
    if match is None:
        raise OpsError(
            f"That is not a private key: {len(text)} characters where 64 hex digits (with or without 0x) "
            "are due; copy it again."
        )
    digits = match.group(1).lower()
    if not 0 < int(digits, 16) < CURVE_ORDER:
        raise OpsError("That is not a secp256k1 private key: the number is zero or too large; copy it again.")
    return Secret(digits)


def address_of(key: Secret) -> str:
    """Return the Injective account address (`inj1…`) of a checked key."""
    point = coincurve.PrivateKey(bytes.fromhex(key.reveal())).public_key.format(compressed=False)
    words = convertbits(sha3.keccak_256(point[1:]).digest()[-_ADDRESS_BYTES:], 8, 5)
    return str(bech32_encode("inj", words or []))


def check_address(text: str) -> str:
    """Return an Injective account address as it is.

    Raises:
        OpsError: not `inj1…` with a right checksum over 20 bytes.
    """
    prefix, words = bech32_decode(text)
    payload = convertbits(words, 5, 8, pad=False) if words is not None else None
    if prefix != "inj" or payload is None or len(payload) != _ADDRESS_BYTES:
        raise OpsError(f"{text[:80]!r} is not an Injective account address (inj1…); copy it again.")
    return text


def new_key() -> Secret:
    """Make a private key from the system's randomness."""
    return Secret(f"{1 + secrets.randbelow(CURVE_ORDER - 1):064x}")
