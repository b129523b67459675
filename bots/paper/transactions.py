"""A transaction on the wire: decode it, and check what the chain's ante handler checks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import coincurve

from bots import addresses
from bots.paper import messages_form
from bots.paper.errors import VenueError
from bots.paper.proto import keys_pb2, tx_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CHAIN_ID", "MIN_GAS_PRICE", "Account", "Transaction", "check", "decode"]

CHAIN_ID = "injective-paper-1"
"""No other network has it: what is signed for the paper venue is valid nowhere else."""
MIN_GAS_PRICE = 160_000_000
"""inj per gas, in 10⁻¹⁸ INJ; the chain's floor."""

_PUBKEY_URL = "/injective.crypto.v1beta1.ethsecp256k1.PubKey"
_SIGNATURE_SIZES = (64, 65)


@dataclass
class Account:
    """An account of the chain."""

    number: int
    sequence: int = 0
    """Committed: what a query answers."""
    pending: int = 0
    """As CheckTx sees it, with what waits for the next block."""


@dataclass(frozen=True)
class Transaction:
    """A decoded transaction with one signer."""

    raw: bytes
    hash: str
    body: Any
    auth: Any
    messages: Sequence[Any]
    signer: str
    """Bech32 address of the public key that the transaction carries."""
    public_key: coincurve.PublicKey
    signature: bytes

    @property
    def full(self) -> Any:
        """The `cosmos.tx.v1beta1.Tx` that a query shows."""
        return tx_pb2.Tx(body=self.body, auth_info=self.auth, signatures=[self.signature])


def decode(raw: bytes) -> Transaction:
    """Decode a transaction.

    Raises:
        VenueError: sdk code 2 (not a transaction, or a message that the venue does not serve), 4, 8 or
            an error of a message's own basic validation.
    """
    try:
        envelope = tx_pb2.TxRaw.FromString(raw)
        body = tx_pb2.TxBody.FromString(envelope.body_bytes)
        auth = tx_pb2.AuthInfo.FromString(envelope.auth_info_bytes)
        messages = [messages_form.unpack(wrapped) for wrapped in body.messages]
        public_key = _public_key(auth)
    except VenueError:
        raise
    except Exception as error:  # protobuf, coincurve and index errors all mean the same here
        raise VenueError(2, f"tx parse error: {type(error).__name__}", "sdk") from error
    if not messages:
        raise VenueError(18, "must contain at least one message: invalid request", "sdk")
    if len(envelope.signatures) != 1 or len(auth.signer_infos) != 1:
        raise VenueError(4, "wrong number of signers; expected 1: unauthorized", "sdk")
    signer = addresses.to_bech32(addresses.address_of_key(public_key.format(compressed=False)))
    transaction = Transaction(
        raw,
        hashlib.sha256(raw).hexdigest().upper(),
        body,
        auth,
        messages,
        signer,
        public_key,
        envelope.signatures[0],
    )
    for message in messages:
        _validate(message, signer)
    return transaction


def _public_key(auth: Any) -> coincurve.PublicKey:
    wrapped = auth.signer_infos[0].public_key
    if wrapped.type_url != _PUBKEY_URL:
        raise VenueError(
            8, f"public key type {wrapped.type_url[:100]} is not {_PUBKEY_URL}: invalid pubkey", "sdk"
        )
    return coincurve.PublicKey(keys_pb2.PubKey.FromString(wrapped.value).key)


def _validate(message: Any, signer: str) -> None:
    """Check what needs no state: the signer and the form of the message.

    What a `MsgExec` wraps is checked when it is run, as on the chain.
    """
    named = messages_form.signer_of(message)
    if named != signer:
        log = f"pubKey does not match signer address {named[:60]} with signer index: 0: invalid pubkey"
        raise VenueError(8, log, "sdk")
    messages_form.check(message)


def _check_payer(tx: Transaction) -> None:
    fee = tx.auth.fee
    if fee.payer not in {"", tx.signer}:
        raise VenueError(4, "wrong number of signers; expected 2, got 1: unauthorized", "sdk")
    if fee.granter not in {"", tx.signer}:
        # Nobody has a fee allowance here: the messages that give one are not served.
        log = f"{fee.granter[:60]} does not allow to pay fees for {tx.signer}: fee-grant not found: not found"
        raise VenueError(38, log, "sdk")


def check(tx: Transaction, account: Account, height: int, expected: int) -> int:
    """Check timeout height, fee, who pays it, sequence (`expected` here) and signature, in this order.

    Returns:
        The fee in 10⁻¹⁸ INJ.

    Raises:
        VenueError: sdk codes 30, 13, 38, 32, 4.
    """
    if 0 < tx.body.timeout_height < height:
        raise VenueError(
            30, f"block height: {height}, timeout height: {tx.body.timeout_height}: tx timeout height", "sdk"
        )
    paid = sum(int(coin.amount) for coin in tx.auth.fee.amount if coin.denom == "inj")
    required = tx.auth.fee.gas_limit * MIN_GAS_PRICE
    if paid < required:
        raise VenueError(
            13, f"insufficient fees; got: {paid}inj required: {required}inj: insufficient fee", "sdk"
        )
    _check_payer(tx)
    sequence = tx.auth.signer_infos[0].sequence
    if sequence != expected:
        raise VenueError(
            32,
            f"account sequence mismatch, expected {expected}, got {sequence}: incorrect account sequence",
            "sdk",
        )
    if not signature_is_good(tx, account.number):
        raise VenueError(
            4,
            f"signature verification failed; please verify account number ({account.number}), "
            f"sequence ({expected}) and chain-id ({CHAIN_ID}): unauthorized",
            "sdk",
        )
    return paid


def signature_is_good(tx: Transaction, account_number: int) -> bool:
    """Verify r‖s (a 65th byte is ignored, as on the chain) over keccak-256 of the SignDoc."""
    if len(tx.signature) not in _SIGNATURE_SIZES:
        return False
    envelope = tx_pb2.TxRaw.FromString(tx.raw)
    document = tx_pb2.SignDoc(
        body_bytes=envelope.body_bytes,
        auth_info_bytes=envelope.auth_info_bytes,
        chain_id=CHAIN_ID,
        account_number=account_number,
    ).SerializeToString()
    try:
        der = coincurve.ecdsa.cdata_to_der(coincurve.ecdsa.deserialize_compact(tx.signature[:64]))
        return bool(tx.public_key.verify(der, addresses.keccak(document), hasher=None))
    except ValueError:
        return False
