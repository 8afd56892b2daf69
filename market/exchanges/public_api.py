"""GET requests to a public API that answers in JSON: refusals, failures and rate limits told apart, silence kept when told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from market.bounded_http import Answer, BoundedHttp
from market.exchanges.exchange import ExchangeStatus
from market.rate_limit import Silence
from node.clock import Clock
from node.durations import HOUR_MS, SECOND_MS
from node.errors import BadMarketDataError, ExchangeRefusedError, ExchangeUnreachableError

SILENT_SECONDS: Final = 60
"""After a 429 that does not say how long."""


class PublicApi:
    """One base URL. Threads may share one."""

    def __init__(
        self,
        base: str,
        clock: Clock,
        *,
        connect_timeout: float = 5,
        read_timeout: float = 10,
        total_timeout: float = 30,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._base = base.rstrip("/")
        self._http = BoundedHttp((connect_timeout, read_timeout), total_timeout, headers=headers)
        self._silence = Silence(clock, f"the rate limit of {self._base}")

    def get(self, path: str, query: dict[str, Any]) -> Answer:
        """The answer if its status is 200 or 404; the fitting MarketError otherwise."""
        self._silence.check()
        answer = self._http.get(self._base + path, query)
        if answer.status == 429:
            header = answer.headers.get("Retry-After", "").strip()
            self.fall_silent(int(header[:9]) if header.isdecimal() else SILENT_SECONDS)
        if answer.status in (401, 403, 451):
            raise ExchangeRefusedError(f"{self._base} {answer.status_text}")
        if answer.status not in (200, 404):
            raise ExchangeUnreachableError(f"{self._base} {answer.status_text}", hint="It is asked again with the next candle.")
        return answer

    def json(self, answer: Answer) -> Any:
        """The body; BadMarketDataError if it is not JSON."""
        try:
            return answer.json()
        except ValueError:
            raise BadMarketDataError(f"{self._base} answered what is not JSON: {answer.start}") from None

    def status(self) -> ExchangeStatus:
        """See `Exchange.status`; a refusal is not remembered."""
        return ExchangeStatus(silent_seconds=self._silence.left_seconds)

    def fall_silent(self, seconds: int) -> NoReturn:
        """Send nothing for that long, at most an hour; always raises."""
        wait_ms = min(max(seconds, 1) * SECOND_MS, HOUR_MS)
        self._silence.begin(wait_ms, f"{self._base} asks for silence for {wait_ms / 1000:.0f} s")

    def close(self) -> None:
        """Give connections back."""
        self._http.close()
