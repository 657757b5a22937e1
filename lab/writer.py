"""A client that writes all the time, with ordinary retries, and remembers every write that was acknowledged.

Every try goes to the next connected endpoint, as with etcd's own client. That one tries a write only once and leaves
the rest to the program; this one goes on as that one does with reads: at once, and with a pause after as many tries as
are a quorum of the endpoints.
https://github.com/etcd-io/etcd/blob/v3.5.1/client/v3/client.go (roundRobinQuorumBackoff)
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import requests

from lab.connected import Connected
from lab.kv import FAILURES, Kv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.client_tls import ClientTls

_RETRY_S: Final = 0.025
_FIRST_S: Final = 30.0  # a certificate may have to be asked for first
_PREFIX: Final = "written/"


@dataclass(frozen=True)
class Acknowledged:
    """A write that etcd acknowledged.

    Attributes:
        key: it has itself as value.
        revision: that it got.
        at: when it was acknowledged, in monotonic seconds.
        began: when it was first tried.
        tries: how many it took.
    """

    key: str
    revision: int
    at: float
    began: float
    tries: int


@dataclass
class Verdict:
    """What a full read at the end found.

    Attributes:
        acknowledged: how many writes were acknowledged.
        lost: keys that were acknowledged and are not there, or not with their value.
        longest_gap_s: the longest time between two acknowledgements.
        gap_began: when that began (monotonic seconds).
        failures: tries that failed and were repeated.
    """

    acknowledged: int
    lost: list[str] = field(default_factory=list)
    longest_gap_s: float = 0.0
    gap_began: float = 0.0
    failures: int = 0


class Writer:
    """Writes key after key from a thread of its own, from ``start`` (or ``with``) to ``stop``.

    Args:
        endpoints: asked for client URLs again and again: members come and go.
        tls: for https URLs.
        pause_s: seconds between an acknowledgement and the next write. Without any, a lab's etcds leave no processor to
            what else goes on.
    """

    def __init__(
        self, endpoints: Callable[[], Sequence[str]], tls: ClientTls | None = None, *, pause_s: float = 0.03
    ) -> None:
        self._endpoints = endpoints
        self._tls = tls
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.acknowledged: list[Acknowledged] = []
        self.failures = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; return with the first acknowledgement, or when there is none for a while."""
        self._thread.start()
        self._began.wait(_FIRST_S)

    def stop(self) -> None:
        """End after the write under way; the writes stay."""
        self._stop.set()
        self._thread.join()

    def longest_gap(self, since: float = 0.0) -> tuple[float, float]:
        """Return the longest time without an acknowledgement that ended after a moment, in seconds, and its begin."""
        pairs = itertools.pairwise(each.at for each in list(self.acknowledged))
        gaps = ((after - before, before) for before, after in pairs if after >= since)
        return max(gaps, default=(0.0, since))

    def verify(self) -> Verdict:
        """Read everything back, once the writer has stopped."""
        with Kv(self._tls) as kv:
            found = kv.get_prefix(self._endpoints(), _PREFIX)
        kept = {key: stored.mod_revision for key, stored in found.items() if stored.value == key}
        gap, began = self.longest_gap()
        return Verdict(
            acknowledged=len(self.acknowledged),
            lost=[each.key for each in self.acknowledged if kept.get(each.key, 0) < each.revision],
            longest_gap_s=gap,
            gap_began=began,
            failures=self.failures,
        )

    def _run(self) -> None:
        number = 0
        with Kv(self._tls) as kv, Connected(self._endpoints, self._tls) as connected:
            while not self._stop.is_set():
                key = f"{_PREFIX}{number:08d}"
                written = self._write(kv, connected, key)
                if written is None:
                    return
                self.acknowledged.append(written)
                self._began.set()
                number += 1
                self._stop.wait(self._pause_s)

    def _write(self, kv: Kv, connected: Connected, key: str) -> Acknowledged | None:
        """Write a key, however many tries it takes; None if the writer is stopped before."""
        began, tries = time.monotonic(), 0
        while not self._stop.is_set():
            url = connected.next()
            if url is None:
                self._stop.wait(_RETRY_S)
                continue
            tries += 1
            try:
                revision = kv.put(url, key, key).revision
            except FAILURES as error:
                # Whether it took effect is unknown: the same key is written again, through another member.
                self.failures += 1
                if isinstance(error, requests.ConnectionError):
                    connected.leave_out(url)
                if tries % (len(connected) // 2 + 1) == 0:
                    self._stop.wait(_RETRY_S)
            else:
                return Acknowledged(key, revision, time.monotonic(), began, tries)
        return None
