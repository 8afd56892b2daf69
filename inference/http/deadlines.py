"""Until when clients have time, not counting the time in which this process itself stood still."""

from __future__ import annotations

from typing import Generic, TypeVar

from inference.http.limits import MAX_REQUEST_SECONDS, MAX_ROUND_SECONDS

Client = TypeVar("Client")


def standstill_seconds(last_check: float, now: float) -> float:
    """For how long the process stood still between two checks, threads and all: what is beyond the longest round."""
    return max(0.0, now - last_check - MAX_ROUND_SECONDS)


class Deadlines(Generic[Client]):
    """A deadline for each client, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._deadlines: dict[Client, float] = {}

    def __setitem__(self, client: Client, deadline: float) -> None:
        self._deadlines[client] = deadline

    def __getitem__(self, client: Client) -> float:
        return self._deadlines[client]

    def __len__(self) -> int:
        return len(self._deadlines)

    def discard(self, client: Client) -> None:
        """Forget a client's deadline, if it has one."""
        self._deadlines.pop(client, None)

    def take_late(self, now: float, stood_still: float = 0.0) -> list[Client]:
        """The clients whose time is over, whose deadlines are forgotten.

        While the process stood still, no client was slow, so every deadline moves by that time; yet nobody gains more than the time
        that every request has.
        """
        late = []
        for client, deadline in list(self._deadlines.items()):
            due = max(deadline, min(deadline + stood_still, now + MAX_REQUEST_SECONDS))
            if due > now:
                self._deadlines[client] = due
            else:
                late.append(client)
                self.discard(client)
        return late
