"""Building and signing a transaction. The package composes and signs the payload; sequence, gas and fee are ours to choose.

The package's own transaction manager waits for each transaction's block before the next may go, and offers less after a refused
fee; with one wallet and many topics neither will do.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from allora_sdk.rpc_client.client_emissions import EmissionsTxs
from allora_sdk.rpc_client.dec_canonical import canonicalize_dec
from allora_sdk.rpc_client.protos.cosmos.base.v1beta1 import Coin
from allora_sdk.rpc_client.protos.cosmos.crypto.secp256k1 import PubKey
from allora_sdk.rpc_client.protos.cosmos.tx.signing.v1beta1 import SignMode
from allora_sdk.rpc_client.protos.cosmos.tx.v1beta1 import (
    AuthInfo,
    Fee,
    ModeInfo,
    ModeInfoSingle,
    SignDoc,
    SignerInfo,
    TxBody,
    TxRaw,
)
from allora_sdk.rpc_client.protos.emissions.v10 import InputLabeledValue
from allora_sdk.rpc_client.protos.google.protobuf import Any as Wrapped

from worker.chain import DENOMINATION

PUBLIC_KEY = "/cosmos.crypto.secp256k1.PubKey"
LABEL = "y"
"""The name of the one value of a topic with a single output."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the chain's emissions module, ready to be put into a transaction."""

    kind: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Composer:
    """Stands where the package expects its transaction manager, and keeps the message instead of sending it."""

    wallet: Any

    async def submit_transaction(self, type_url: str, msgs: list[Any], **_: Any) -> Message:
        return Message(type_url, bytes(msgs[0]))

    async def registration(self, topic: int) -> Message:
        address = str(self.wallet.address())
        message: Message = await EmissionsTxs(self).register(topic, address, address, is_reputer=False)
        return message

    async def answer(self, topic: int, nonce: int, value: float) -> Message:
        """An inference for a window, signed by the wallet."""
        values = [InputLabeledValue(label=LABEL, value=canonicalize_dec(value))]
        message: Message = await EmissionsTxs(self).insert_worker_payload(topic, values, nonce)
        return message


@dataclass(frozen=True, slots=True)
class Signed:
    """The bytes of a signed transaction, and the name under which the chain will know it."""

    content: bytes
    hash: str


async def sign(
    wallet: Any, message: Message, *, chain_id: str, account: int, sequence: int, gas: int, fee: int, last_block: int
) -> Signed:
    """A transaction that no block after `last_block` will take (0: any will). `fee` in uallo."""
    body = TxBody(messages=[Wrapped(type_url=message.kind, value=message.content)], timeout_height=last_block)
    key = Wrapped(type_url=PUBLIC_KEY, value=bytes(PubKey(key=wallet.public_key().public_key_bytes)))
    signer = SignerInfo(public_key=key, mode_info=ModeInfo(single=ModeInfoSingle(mode=SignMode.DIRECT)), sequence=sequence)
    payment = Fee(amount=[Coin(denom=DENOMINATION, amount=str(fee))], gas_limit=gas)
    parts = bytes(body), bytes(AuthInfo(signer_infos=[signer], fee=payment))
    document = SignDoc(body_bytes=parts[0], auth_info_bytes=parts[1], chain_id=chain_id, account_number=account)
    # Signing is pure Python and takes a few milliseconds on a busy machine; requests go on meanwhile.
    signature = await asyncio.to_thread(wallet.signer().sign, bytes(document), deterministic=True, canonicalise=True)
    content = bytes(TxRaw(body_bytes=parts[0], auth_info_bytes=parts[1], signatures=[signature]))
    return Signed(content, hashlib.sha256(content).hexdigest().upper())
