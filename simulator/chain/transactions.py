"""Reading a transaction as the chain does: what it asks for, who signed it, what it pays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from allora_sdk.rpc_client.protos.cosmos.crypto.secp256k1 import PubKey
from allora_sdk.rpc_client.protos.cosmos.tx.v1beta1 import AuthInfo, SignDoc, TxBody, TxRaw
from allora_sdk.rpc_client.protos.emissions.v10 import InsertWorkerPayloadRequest, RegisterRequest
from cosmpy.crypto.address import Address
from cosmpy.crypto.keypairs import PublicKey

MESSAGES = {
    "/emissions.v10.RegisterRequest": RegisterRequest,
    "/emissions.v10.InsertWorkerPayloadRequest": InsertWorkerPayloadRequest,
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One decoded transaction with one message and one signer."""

    hash: str
    message: Any
    signer: str
    sequence: int
    fee: int
    gas_limit: int
    timeout_height: int
    raw: TxRaw
    public_key: PublicKey

    @property
    def topic_id(self) -> int:
        if isinstance(self.message, RegisterRequest):
            return int(self.message.topic_id)
        return int(self.message.worker_data_bundle.topic_id)

    @property
    def is_payload(self) -> bool:
        return isinstance(self.message, InsertWorkerPayloadRequest)

    def is_signed_for(self, chain_id: str, account_number: int) -> bool:
        """Whether the signature covers exactly these bytes on this chain."""
        document = SignDoc(
            body_bytes=self.raw.body_bytes,
            auth_info_bytes=self.raw.auth_info_bytes,
            chain_id=chain_id,
            account_number=account_number,
        )
        return bool(self.raw.signatures) and bool(self.public_key.verify(bytes(document), self.raw.signatures[0]))

    def bundle_is_signed(self) -> bool:
        """Whether the inference inside is signed by the worker it names."""
        data = self.message.worker_data_bundle
        digest = hashlib.sha256(bytes(data.inference_forecasts_bundle)).digest()
        key = PublicKey(bytes.fromhex(data.pubkey))
        signed = key.verify_digest(digest, data.inferences_forecasts_bundle_signature)
        return bool(signed) and str(Address(key, "allo")) == data.worker == self.signer


def decode(content: bytes) -> Transaction:
    """Decode a transaction's bytes; ValueError for anything that is not one of this chain's."""
    try:
        raw = TxRaw.parse(content)
        body, auth = TxBody.parse(raw.body_bytes), AuthInfo.parse(raw.auth_info_bytes)
        wrapped, signer = body.messages[0], auth.signer_infos[0]
        message = MESSAGES[wrapped.type_url].parse(wrapped.value)
        key = PublicKey(PubKey.parse(signer.public_key.value).key)
        return Transaction(
            hash=hashlib.sha256(content).hexdigest().upper(),
            message=message,
            signer=str(Address(key, "allo")),
            sequence=int(signer.sequence),
            fee=sum(int(coin.amount) for coin in auth.fee.amount),
            gas_limit=int(auth.fee.gas_limit),
            timeout_height=int(body.timeout_height),
            raw=raw,
            public_key=key,
        )
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"tx parse error: {error}") from None
