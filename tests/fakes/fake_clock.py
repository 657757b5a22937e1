"""Time that passes only when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta


class FakeClock:
    """The port Clock; a sleep returns at once and the time has passed.

    Attributes:
        slept: The sleeps, in seconds.
        on_advance: Called after each step of time, so that a test's world can go on meanwhile.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._started_at = now
        self._now = now
        self.slept: list[float] = []
        self.on_advance: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds since the start."""
        return self._now - self._started_at

    def sleep(self, seconds: float) -> None:
        """Let that time pass."""
        self.slept.append(seconds)
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Let that time pass."""
        if by < timedelta(0):
            raise ValueError(f"time goes forward, not by {by}")
        self._now += by.total_seconds()
        self.on_advance()
