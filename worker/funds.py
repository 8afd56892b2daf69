"""The wallet's balance and the market's gas price, looked at now and then; the testnet faucet is asked when funds run low."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import structlog

from node.errors import ChainError
from node.proxies import proxy_of
from node.secrets import Secret
from worker.chain import Chain
from worker.connection import Connection
from worker.metrics import LOW_BALANCE, Metrics
from worker.sender import Sender

log = structlog.get_logger("worker")

LOOK_SECONDS: Final = 60.0
FAUCET_PATH: Final = "/api/request"
FAUCET_CHAIN: Final = "allora-testnet-1"
FAUCET_SECONDS: Final = 15.0
FIRST_PAUSE: Final = 60.0
MAX_PAUSE_SECONDS: Final = 6 * 3600.0


class Faucet:
    """Asks for test tokens; a refusal is logged and asked about again later, ever more seldom."""

    def __init__(self, url: str, api_key: Secret) -> None:
        self._url = url
        self._api_key = api_key
        self._pause = FIRST_PAUSE
        self._not_before = 0.0

    async def ask(self, address: str) -> bool:
        """Whether the faucet granted the request; False too while it is too early to ask again."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            return False
        refusal, wait = await self._refusal(address)
        if refusal is None:
            log.info("the faucet was asked for ALLO and agreed", wallet=address)
            wait, self._pause = FIRST_PAUSE * 5, FIRST_PAUSE
        else:
            wait = max(wait, self._pause)
            self._pause = min(MAX_PAUSE_SECONDS, self._pause * 2)
            log.warning("the faucet refused", reason=refusal, again_in_seconds=round(wait), wallet=address)
        self._not_before = now + wait
        return refusal is None

    async def _refusal(self, address: str) -> tuple[str | None, float]:
        """None if it agreed, else why not; and the seconds that it asks to wait."""
        timeout = aiohttp.ClientTimeout(total=FAUCET_SECONDS)
        try:
            async with (
                # With trust_env the default password of a ~/.netrc would go there too.
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.post(
                    self._url + FAUCET_PATH,
                    data={"chain": FAUCET_CHAIN, "address": address},
                    headers={"x-api-key": self._api_key.get_secret_value()},
                    proxy=proxy_of(self._url),
                    # A redirect would carry the key to somebody else.
                    allow_redirects=False,
                ) as response,
            ):
                if response.status in {200, 201, 202}:
                    return None, 0.0
                after = response.headers.get("Retry-After", "")
                return f"status {response.status}", float(after) if after.isdigit() else 0.0
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"cannot be reached: {error or type(error).__name__}", 0.0


class Funds:
    """Runs beside the topics; none of its troubles are theirs."""

    def __init__(
        self, chain: Chain, connection: Connection, sender: Sender, metrics: Metrics, faucet_url: str | None, api_key: Secret | None
    ) -> None:
        self._chain = chain
        self._connection = connection
        self._sender = sender
        self._metrics = metrics
        self._faucet = Faucet(faucet_url, api_key) if faucet_url and api_key else None
        self._was_low: bool | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._connection.opened()
            try:
                await self.look()
            except ChainError as error:
                log.debug("the balance could not be read", error=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read balance and gas price once."""
        self._sender.fees.market_price = await self._chain.gas_price()
        balance = await self._chain.balance(self._sender.address)
        self._metrics.balance.set(balance)
        is_low = balance < LOW_BALANCE
        if is_low != self._was_low or (is_low and self._faucet):
            tell = log.warning if is_low else log.info
            tell("the wallet's balance is low" if is_low else "the wallet has funds", wallet=self._sender.address, uallo=balance)
        self._was_low = is_low
        if is_low and self._faucet is not None:
            await self._faucet.ask(self._sender.address)
