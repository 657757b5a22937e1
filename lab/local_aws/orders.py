"""What the hosts' process is told to do, and whether it did."""

from __future__ import annotations

import threading
from typing import Any, Final

from .autoscaling.ports import ApiError

_DONE_S: Final = 45.0


class Orders:
    """Orders in the order given, each waited for by who gave it."""

    def __init__(self) -> None:
        self._given: list[dict[str, Any]] = []
        self._answers: dict[int, str] = {}
        self._changed = threading.Condition()

    def give(self, what: str, **told: object) -> None:
        """Give an order, and wait until the hosts did it.

        Raises:
            ApiError: they could not, and say why; or they did not answer.
        """
        with self._changed:
            seq = len(self._given) + 1
            self._given.append({"seq": seq, "what": what, **told})
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: seq in self._answers, _DONE_S):
                raise ApiError("Timeout", f"{what}: the hosts did not answer within {_DONE_S:g} s")
            error = self._answers[seq]
        if error:
            raise ApiError("Refused", f"{what}: {error}")

    def after(self, seq: int, wait_s: float) -> list[dict[str, Any]]:
        """The orders after that number; waits for the first of them, ``wait_s`` at most."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._given) > seq, wait_s)
            return self._given[seq:]

    def done(self, seq: int, error: str) -> None:
        """Take note that an order was done, or why it was not."""
        with self._changed:
            self._answers[seq] = error
            self._changed.notify_all()
