"""Time that goes on only while everybody sleeps: hours of a thousand hosts in seconds, the same at every run."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Final

_STACK_BYTES: Final = 512 * 1024


class VirtualTime:
    """The clock of many jobs, of which exactly one runs at any moment; each has a thread, for it may sleep anywhere."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._is_over = threading.Event()
        self._error: BaseException | None = None

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long."""
        turn = threading.Semaphore(0)
        self._at(self._now + seconds, turn.release)
        self._next()
        turn.acquire()

    def run(self, jobs: Iterable[tuple[float, Callable[[], object]]]) -> None:
        """Run each job from its second on until all are done; raises what one of them raised.

        Not to be used again after an error: the other jobs sleep for ever.
        """
        before = threading.stack_size(_STACK_BYTES)
        try:
            for second, job in jobs:
                self._at(second, threading.Thread(target=self._do, args=(job,), daemon=True).start)
            self._next()
            self._is_over.wait()
        finally:
            threading.stack_size(before)
        if self._error is not None:
            raise self._error

    def _at(self, second: float, go_on: Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (second, next(self._order), go_on))

    def _next(self) -> None:
        """Give the turn to whoever's second is next; the caller may run on only to where it waits for its own."""
        if not self._waiting:
            self._is_over.set()
            return
        self._now, _, go_on = heapq.heappop(self._waiting)
        go_on()

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001  # raised again in run()
            self._error = error
            self._is_over.set()
        else:
            self._next()
