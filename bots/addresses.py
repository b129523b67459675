"""Injective addresses: keccak-256 of a secp256k1 public key, as bech32 `inj1…` or as subaccount id."""

from __future__ import annotations

import sha3
from bech32 import bech32_decode, bech32_encode, convertbits

__all__ = [
    "address_of_key",
    "default_subaccount",
    "index_of",
    "is_address",
    "keccak",
    "owner_of",
    "subaccount",
    "to_bech32",
    "to_bytes",
]

_PREFIX = "inj"
_ADDRESS_BYTES = 20


def keccak(data: bytes) -> bytes:
    """Return keccak-256 (not the later standard SHA3-256)."""
    return bytes(sha3.keccak_256(data).digest())


def address_of_key(uncompressed: bytes) -> bytes:
    """Return the 20-byte address of an uncompressed public key (65 bytes, 0x04 first)."""
    return keccak(uncompressed[1:])[12:]


def to_bech32(address: bytes) -> str:
    """Return 20 bytes as `inj1…`."""
    return str(bech32_encode(_PREFIX, convertbits(address, 8, 5) or []))


def to_bytes(bech32_address: str) -> bytes:
    """Read `inj1…`.

    Raises:
        ValueError: no such address.
    """
    prefix, data = bech32_decode(bech32_address)
    raw = convertbits(data, 5, 8, False) if prefix == _PREFIX and data else None  # noqa: FBT003 - bech32's own signature
    if raw is None or len(raw) != _ADDRESS_BYTES:
        raise ValueError(f"{bech32_address[:60]!r} is not an Injective address (inj1…)")
    return bytes(raw)


def is_address(text: str) -> bool:
    """Return whether a text is an address, `inj1…`."""
    try:
        to_bytes(text)
    except ValueError:
        return False
    return True


def default_subaccount(bech32_address: str) -> str:
    """Return the id of subaccount 0 of an address.

    Raises:
        ValueError: no such address.
    """
    return subaccount(bech32_address, 0)


def subaccount(bech32_address: str, index: int) -> str:
    """Return the id of a subaccount: 0x, the address, the index in 12 bytes, all in hex.

    Raises:
        ValueError: no such address.
    """
    return f"0x{to_bytes(bech32_address).hex()}{index:024x}"


def index_of(subaccount_id: str) -> int:
    """Return the index of a subaccount id.

    Raises:
        ValueError: no such id.
    """
    return int(subaccount_id[42:], 16)


def owner_of(subaccount: str) -> str:
    """Return the bech32 address that a subaccount id belongs to."""
    return to_bech32(bytes.fromhex(subaccount[2:42]))
