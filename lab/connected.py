"""The endpoints that take a client's calls in turn, as those of etcd's own client do.

https://github.com/etcd-io/etcd/blob/v3.5.1/client/v3/internal/resolver/resolver.go (round_robin: whoever is connected)
https://github.com/etcd-io/etcd/blob/v3.5.1/client/v3/client.go (Sync: started voters)
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, Self

from lab.control import ControlError
from lab.kv import FAILURES, Kv
from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.client_tls import ClientTls

_LOOK_S: Final = 0.5
_STATUS_S: Final = (0.5, 0.5)  # to connect (TLS too), to be answered: who hangs is left out, as with gRPC's keepalive


class Connected:
    """Looks in a thread of its own who can be called, so that no call waits for that. A context manager.

    Args:
        endpoints: asked for client URLs at each look: members come and go.
        tls: for https URLs.
    """

    def __init__(self, endpoints: Callable[[], Sequence[str]], tls: ClientTls | None = None) -> None:
        self._endpoints = endpoints
        self._tls = tls
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="endpoints", daemon=True)
        self._urls: tuple[str, ...] = ()
        self._turn = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._urls)

    def next(self) -> str | None:
        """Return whose turn it is; None if nobody is connected."""
        urls = self._urls
        self._turn += 1
        return urls[self._turn % len(urls)] if urls else None

    def leave_out(self, url: str) -> None:
        """Do not call it until it has been seen again: its connection broke."""
        self._urls = tuple(each for each in self._urls if each != url)

    def _keep_looking(self) -> None:
        with Kv(self._tls) as kv:
            while not self._stop.is_set():
                with contextlib.suppress(LabError, ControlError, OSError):  # those of the last look stay
                    self._urls = tuple(url for url in self._endpoints() if _is_voter(kv, url))
                self._stop.wait(_LOOK_S)


def _is_voter(kv: Kv, url: str) -> bool:
    try:
        return not kv.post(url, "/v3/maintenance/status", {}, _STATUS_S).get("isLearner")
    except FAILURES:
        return False
