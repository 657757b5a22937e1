"""What happened when: every change of lifecycle state and of a host, with the machine's monotonic clock."""

from __future__ import annotations

import threading
import time
from typing import Any


class Journal:
    """A log that grows, and that can be waited on."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def add(self, record: dict[str, Any]) -> None:
        """Add a record; it gets ``seq``, ``at`` (monotonic seconds, the same for all processes) and ``epoch``."""
        with self._changed:
            stamped = {"at": time.monotonic(), "epoch": time.time()} | record
            self._records.append({"seq": len(self._records) + 1} | stamped)
            self._changed.notify_all()

    def after(self, seq: int, wait_s: float) -> list[dict[str, Any]]:
        """The records after that number; waits for the first of them, ``wait_s`` at most."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._records) > seq, wait_s)
            return self._records[seq:]
