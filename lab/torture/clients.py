"""Clients of the tortured cluster: writers, a reader, a watcher. Each has a thread of its own and notes what it saw."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Self

from lab.kv import FAILURES, Header, Kv
from lab.torture.history import History, Read, Seen, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WRITERS: Final = 4
PREFIX: Final = "torture/"
_WRITE_EACH_S: Final = 0.03  # of one writer: about 130 writes a second in all
_READ_EACH_S: Final = 0.05
_WATCH_EACH_S: Final = 0.25


class Clients:
    """All clients of one seed; they work inside ``with``.

    Args:
        urls: the client URLs to choose from now; members come and go.
    """

    def __init__(self, urls: Callable[[], Sequence[str]]) -> None:
        self._urls = urls
        self._stop = threading.Event()
        self.history = History()
        self._threads = [
            threading.Thread(target=self._write, args=(n,), name=f"writer-{n}", daemon=True) for n in range(WRITERS)
        ]
        self._threads += [
            threading.Thread(target=work, name=work.__name__, daemon=True) for work in (self._read, self._watch)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int) -> None:
        number, attempts, turn = 0, 0, writer
        with Kv() as kv:
            while not self._stop.is_set():
                urls = self._urls()
                key = f"{PREFIX}{writer}/{number:06d}"
                value = f"{writer}:{number}"
                began = time.monotonic()
                try:
                    header = kv.put(urls[turn % len(urls)], key, value)
                except (*FAILURES, ZeroDivisionError):  # the last: nobody is there to ask
                    # Whether it took effect is unknown: the same key is written again, through another member.
                    self.history.failures += 1
                    attempts += 1
                    turn += 1
                else:
                    ended = time.monotonic()
                    self.history.writes.append(Write(key, value, header, attempts + 1, began, ended))
                    number, attempts = number + 1, 0
                self._stop.wait(max(0.0, began + _WRITE_EACH_S - time.monotonic()))

    def _read(self) -> None:
        turn = 0
        with Kv() as kv:
            while not self._stop.wait(_READ_EACH_S):
                urls, turn = self._urls(), turn + 1
                if not urls or not self.history.writes:
                    continue
                newest, began = self.history.writes[-1], time.monotonic()
                try:
                    header, found = kv.get(urls[turn % len(urls)], newest.key)
                except FAILURES:
                    continue
                self.history.reads.append(Read(newest.key, header, found, began))

    def _watch(self) -> None:
        with Kv() as kv:
            while not self._stop.wait(_WATCH_EACH_S):
                for url in self._urls():
                    at = time.monotonic()
                    try:
                        status = kv.post(url, "/v3/maintenance/status", {})
                        header = Header.of(status)
                        term, leader = int(status.get("raftTerm", 0)), int(status.get("leader", 0))
                    except FAILURES:
                        continue
                    self.history.seen.append(Seen(at, url, header.cluster_id, header.member_id, leader, term))
