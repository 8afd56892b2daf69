"""Checks of the worker's side: wallet, chain, balance, and what the chain says of each topic."""

from __future__ import annotations

import asyncio
import logging

from cli.checks.check_result import CheckResult, Probe, State, failed, ok
from cli.checks.network import beside_network
from cli.context import Place
from node.allo import UALLO_PER_ALLO
from node.errors import ChainUnreachableError, NodeError, TopicDiffersError, WalletError
from node.topics import Topic
from worker.chain import Chain, NotFound
from worker.metrics import LOW_BALANCE
from worker.network import Network, network_of
from worker.topic_match import compare
from worker.wallet import load_wallet, wallet_file

FAUCET = "Ask the faucet for test tokens: https://faucet.testnet.allora.network"


def probes(place: Place) -> dict[str, Probe]:
    """The wallet alone, and everything that one connection to the chain can tell."""
    logging.getLogger("allora_sdk").setLevel(logging.CRITICAL)
    return {"wallet": lambda: _wallet(place), "chain": lambda: asyncio.run(_chain(place))}


def _wallet(place: Place) -> list[CheckResult]:
    path, wallet = wallet_file(place.settings, place.config), place.config.wallet
    if not wallet.submit_tx and not path.exists() and wallet.address_restore_mnemonic is None:
        return ok("wallet", "none, and none is needed: dry run")
    if path.exists() and path.stat().st_mode & 0o077:
        return failed("wallet", f"{path} can be read by others", f"chmod 600 {path}")
    return ok("wallet", str(load_wallet(place.settings, place.config).address()))


def _address(place: Place) -> str | None:
    try:
        return str(load_wallet(place.settings, place.config).address())
    except WalletError:
        return None


async def _chain(place: Place) -> list[CheckResult]:
    network, address = network_of(place.settings, place.config), _address(place)
    chain = Chain(network)
    try:
        try:
            await chain.open(place.topics[0].id)
            height, _ = await chain.block()
        except ChainUnreachableError as error:
            return failed("chain", error.message, f"Can this machine reach {chain.url}? CHAIN_GRPC_URL names another node.")
        found = ok("chain", f"{network.chain_id} at block {height}, {chain.url}")
        found += await _balance(place, chain, network, address)
        looked = await asyncio.gather(*(_topic(chain, topic, address) for topic in place.topics))
        troubles = [trouble for trouble, _ in looked if trouble]
        agreed = troubles or ok("topics", f"the chain agrees on all {len(place.topics)}")
        missing = [str(topic.id) for topic, (_, registered) in zip(place.topics, looked, strict=True) if not registered]
        beside = await beside_network(chain, place.topics, address, height)
        return found + agreed + beside + _registration(address, missing)
    finally:
        await chain.close()


async def _balance(place: Place, chain: Chain, network: Network, address: str | None) -> list[CheckResult]:
    if address is None:
        return [CheckResult("balance", State.SKIPPED, "there is no wallet")]
    balance = await chain.balance(address)
    said = f"{balance / UALLO_PER_ALLO:g} ALLO"
    if balance < LOW_BALANCE and place.config.wallet.submit_tx:
        return failed("balance", f"{said}, too little to submit", FAUCET if network.faucet_url else f"Send ALLO to {address}.")
    return ok("balance", said)


async def _topic(chain: Chain, topic: Topic, address: str | None) -> tuple[CheckResult | None, bool]:
    """What is wrong with a topic, and whether the wallet is registered for it."""
    name, remove = f"topic {topic.id}", "Remove it from config.json, or correct its number."
    try:
        found = await chain.topic(topic.id)
        compare(topic, found)
        if not found.active:
            return CheckResult(
                name, State.FAILED, "the chain opens no windows for it now: it is not active", "It may come back; else remove it."
            ), False
        if address is not None and not await chain.may_submit(topic.id, address):
            return CheckResult(name, State.FAILED, f"its creator has not admitted {address}", "Ask the topic's creator."), False
        return None, address is not None and await chain.is_registered(topic.id, address)
    except NotFound:
        return CheckResult(name, State.FAILED, "is not on the chain", remove), False
    except TopicDiffersError as error:
        return CheckResult(name, State.FAILED, error.message, error.hint), False
    except NodeError as error:
        return CheckResult(name, State.FAILED, error.message, error.hint), False


def _registration(address: str | None, missing: list[str]) -> list[CheckResult]:
    if address is None:
        return [CheckResult("registration", State.SKIPPED, "there is no wallet")]
    if missing:
        hint = "The worker registers by itself when it runs with submitTx and a balance."
        return [CheckResult("registration", State.NOT_YET, f"not registered for topic {', '.join(missing)}", hint)]
    return ok("registration", "registered for every topic")
