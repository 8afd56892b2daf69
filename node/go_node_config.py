"""The official node's config.json, of every generation, brought into this node's form.

That node is written in Go, whose JSON takes a key in any case. Its keys that still mean something here are translated, the others
are dropped, each with a reason that the log tells once. What neither node knows is left in place, to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from node.catalogue import RETIRED

ADAPTERS: Final = frozenset({"api-worker-reputer", "apiadapter", "api-adapter", ""})
NETWORKS: Final = {"allora-testnet-1": "testnet", "allora-mainnet-1": "mainnet"}
FEWEST_WORDS: Final = 8
"""A mnemonic has 12 at least; what has a few less is one that was cut off, which must be said, and no "<your mnemonic>"."""

UNUSED_WALLET: Final = {
    "address": "there is no keyring; the wallet is its mnemonic",
    "addressKeyName": "there is no keyring; the wallet is its mnemonic",
    "addressAccountPassphrase": "there is no keyring; the wallet is its mnemonic",
    "alloraHomeDir": "there is no keyring; the wallet is its mnemonic",
    "keyringBackend": "there is no keyring; the wallet is its mnemonic",
    "gas": "gas is learnt from what the chain used",
    "gasAdjustment": "gas is learnt from what the chain used",
    "simulateGasFromStart": "gas is learnt from what the chain used",
    "baseGas": "gas is learnt from what the chain used",
    "gasPriceUpdateInterval": "the fee market is asked every minute",
    "feeGranterAddress": "the wallet pays its own fees",
    "delay": "what is sent again waits for the next block",
    "minDelay": "what is sent again waits for the next block",
    "maxDelay": "what is sent again waits for the next block",
    "retryDelay": "what is sent again waits for the next block",
    "accountSequenceRetryDelay": "the sequence is corrected at once by what the chain expects",
    "launchRoutineDelay": "topics start together and share one lock",
    "submissionJitter": "topics share one lock; there is no crowd to avoid",
    "windowCorrectionFactor": "windows are announced by the chain",
    "blockDurationEstimated": "the length of a block is measured",
    "requestRetries": "every request has its own limit",
    "loopSeconds": "windows are announced by the chain",
    "loopWithinWindowSeconds": "windows are announced by the chain",
    "earlyArrivalPercent": "windows are announced by the chain",
    "lateArrivalPercent": "windows are announced by the chain",
    "minStake": "this node is a worker, no reputer",
    "minStakeToRepute": "this node is a worker, no reputer",
    "timeoutRPCSecondsQuery": "every request has its own limit",
    "timeoutRPCSecondsTx": "every request has its own limit",
    "timeoutRPCSecondsRegistration": "every request has its own limit",
    "timeoutHTTPConnection": "every request has its own limit",
}
UNUSED_ENTRY: Final = {
    "loopSeconds": "windows are announced by the chain",
    "inferenceEntrypointName": "inference is asked over HTTP",
    "forecastEntrypointName": "this node submits inferences, no forecasts of others' losses",
    "inferenceEntrypoint": "inference is asked over HTTP",
    "forecastEntrypoint": "this node submits inferences, no forecasts of others' losses",
    "forecastParameters": "this node submits inferences, no forecasts of others' losses",
    "extraData": "nothing reads it",
    "allowsNegativeForcast": "the topic on the chain says so",
    "allowsNegativeForecast": "the topic on the chain says so",
    "allowsNegativeValue": "the topic on the chain says so",
}
UNUSED_PARAMETERS: Final = {
    "TopicId": "it is topicId itself",
    "ForecastEndpoint": "this node submits inferences, no forecasts of others' losses",
}
UNUSED_FILE: Final = {
    "reputer": "this node is a worker, no reputer",
    "forecaster": "this node submits inferences, no forecasts of others' losses",
    "metrics": "metrics stand on each process's own port",
}

_NUMBER: Final = re.compile(
    r"\s*([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?|\.[0-9]+(?:e[+-]?[0-9]{1,3})?)\s*(?:uallo)?\s*", re.IGNORECASE
)


class Normaliser:
    """One pass over one file's content. `known` gives the keys of this node by section."""

    def __init__(self, known: Mapping[str, Iterable[str]]) -> None:
        self.notes: list[str] = []
        self._known = {section: tuple(keys) for section, keys in known.items()}

    def normalise(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The content in this node's form; `notes` then says what was left out and why."""
        file = self._section(content, "", UNUSED_FILE)
        if isinstance(file.get("wallet"), dict):
            file["wallet"] = self._wallet(file["wallet"], file)
        if isinstance(file.get("worker"), list):
            file["worker"] = [self._entry(entry) if isinstance(entry, dict) else entry for entry in file["worker"]]
            self._drop_retired(file)
        return file

    def _section(self, content: Mapping[str, Any], section: str, unused: Mapping[str, str], *more: str) -> dict[str, Any]:
        """Keys as this node writes them, without those that mean nothing here."""
        names = {name.lower(): name for name in (*unused, *more, *self._known[section])}
        found: dict[str, Any] = {}
        for key, value in content.items():
            name = key if key in self._known[section] else names.get(key.lower(), key)
            if name in unused and name not in self._known[section]:
                if value not in (None, "", [], {}):
                    self._note(f"{section}.{name}".removeprefix("."), unused[name])
            else:
                found[name] = value
        return found

    def _note(self, key: str, reason: str) -> None:
        note = f"{key} is not used: {reason}"
        if note not in self.notes:
            self.notes.append(note)

    # --- the wallet ----------------------------------------------------------------------------------------------------------

    def _wallet(self, content: dict[str, Any], file: dict[str, Any]) -> dict[str, Any]:
        wallet = self._section(content, "wallet", UNUSED_WALLET, "nodeRpc", "nodeRpcs", "nodeGrpc")
        self._nodes(wallet)
        for key in ("maxFees", "gasPrices"):
            if key in wallet:
                self._amount(wallet, key)
        if isinstance(wallet.get("addressRestoreMnemonic"), str) and _words(wallet["addressRestoreMnemonic"]) < FEWEST_WORDS:
            del wallet["addressRestoreMnemonic"]
            self._note("wallet.addressRestoreMnemonic", "it holds no mnemonic")
        network = NETWORKS.get(wallet["chainId"]) if isinstance(wallet.get("chainId"), str) else None
        if network is not None and file.setdefault("network", network) == network:
            del wallet["chainId"]
        if wallet.get("chainId") == "":
            del wallet["chainId"]
        return wallet

    def _nodes(self, wallet: dict[str, Any]) -> None:
        """`nodeGrpcs` are asked; of a Tendermint address only the websocket is of use."""
        for key in ("nodeGrpcs", "websockets"):
            if isinstance(wallet.get(key), str):
                wallet[key] = [wallet[key]]
            if isinstance(wallet.get(key), list):
                wallet[key] = [each for each in wallet[key] if each != ""]
        single, several = wallet.pop("nodeGrpc", None), wallet.get("nodeGrpcs")
        if single and not several:
            wallet["nodeGrpcs"] = [single]
        elif several is None:
            wallet.pop("nodeGrpcs", None)
        rpcs = wallet.pop("nodeRpcs", None) or []
        single_rpc = wallet.pop("nodeRpc", None)
        if single_rpc and not rpcs:
            rpcs = [single_rpc]
        if not isinstance(rpcs, list) or not rpcs or "websockets" in wallet:
            return
        if wallet.get("nodeGrpcs"):
            wallet["websockets"] = [_websocket(rpc) for rpc in rpcs if isinstance(rpc, str)]
        else:
            self._note("wallet.nodeRpcs", "the chain is asked over gRPC, at nodeGrpcs or else at the network's own node")

    def _amount(self, wallet: dict[str, Any], key: str) -> None:
        value = wallet[key]
        if value is None or (isinstance(value, str) and value.strip().lower() in {"", "auto"}):
            del wallet[key]
        elif isinstance(value, str) and (match := _NUMBER.fullmatch(value)):
            wallet[key] = float(match[1])
        if isinstance(wallet.get(key), float) and wallet[key].is_integer():
            wallet[key] = int(wallet[key])
        if wallet.get(key) == 0:
            del wallet[key]

    # --- topics --------------------------------------------------------------------------------------------------------------

    def _entry(self, content: dict[str, Any]) -> dict[str, Any]:
        adapter = next((value for key, value in content.items() if key.lower() == "inferenceentrypointname"), "")
        unused = UNUSED_ENTRY if str(adapter).lower() in ADAPTERS else {}
        entry = self._section(content, "worker", unused)
        parameters = entry.get("parameters")
        if isinstance(parameters, dict):
            entry["parameters"] = self._section(parameters, "parameters", UNUSED_PARAMETERS)
        elif parameters is None:
            entry.pop("parameters", None)
        return entry

    def _drop_retired(self, file: dict[str, Any]) -> None:
        retired = RETIRED.get(str(file.get("network", "testnet")), frozenset())
        kept = [entry for entry in file["worker"] if not (isinstance(entry, dict) and _is_among(entry.get("topicId"), retired))]
        if kept and len(kept) < len(file["worker"]):
            numbers = [str(entry["topicId"]) for entry in file["worker"] if entry not in kept]
            self.notes.append(f"the network has retired topic {', '.join(numbers)}: left out, the others run")
            file["worker"] = kept


def _is_among(number: object, numbers: frozenset[int]) -> bool:
    """Whether it is one of them; a list or an object, which could not even be looked up, is refused later with its place."""
    return isinstance(number, int) and number in numbers


def _words(text: str) -> int:
    return len(re.findall(r"[^\W\d_]+", text))


def _websocket(rpc: str) -> str:
    """The websocket of a node's Tendermint address."""
    address = re.sub(r"^(http|tcp)(s?)://", r"ws\2://", rpc.strip().rstrip("/"))
    address = address if "://" in address else f"ws://{address}"
    return address if address.endswith("/websocket") else f"{address}/websocket"
