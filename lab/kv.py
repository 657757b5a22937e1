"""etcd's key-value API over its JSON gateway: what a lab's clients need of it."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.client_tls import ClientTls

TIMEOUT_S: Final = (1.0, 1.0)  # to connect (TLS too), to be answered
_LONG_S: Final = (10.0, 60.0)
# What a call raises that did not go through, or whose answer cannot be understood: whether it took effect is unknown.
FAILURES: Final = (requests.RequestException, KeyError, ValueError, LabError)


@dataclass(frozen=True)
class Header:
    """The header of an answer."""

    cluster_id: int
    member_id: int
    revision: int
    raft_term: int

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Header:
        """Read it off an answer; the gateway leaves out what is 0."""
        header = answer["header"]
        return cls(*(int(header.get(name, 0)) for name in ("cluster_id", "member_id", "revision", "raft_term")))


@dataclass(frozen=True)
class Stored:
    """A key as it is kept. ``version`` is the number of its writes."""

    value: str
    create_revision: int
    mod_revision: int
    version: int


class Kv:
    """A client with connections of its own; for one thread.

    Args:
        tls: for https: its certificate and whom it trusts. Looked at again after a failure.
    """

    def __init__(self, tls: ClientTls | None = None) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._tls = tls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def post(
        self, url: str, path: str, body: dict[str, Any], timeout_s: tuple[float, float] = TIMEOUT_S
    ) -> dict[str, Any]:
        """Call one method of one member.

        Raises:
            requests.RequestException: it did not answer, or with an error.
            ValueError: its answer is not JSON.
            LabError: it wants https, and no certificate was to be had.
        """
        if self._tls is not None and url.startswith("https:"):
            files = self._tls.ready()
            # The files are read at each new connection, so that renewed ones are used.
            self._session.verify, self._session.cert = str(files.ca), (str(files.certificate), str(files.key))
        try:
            answer = self._session.post(f"{url}{path}", json=body, timeout=timeout_s)
        except requests.ConnectionError:
            if self._tls is not None and url.startswith("https:"):
                with contextlib.suppress(LabError):
                    self._tls.renew()
            raise
        answer.raise_for_status()
        read: dict[str, Any] = answer.json()
        return read

    def put(self, url: str, key: str, value: str) -> Header:
        """Write a key."""
        return Header.of(self.post(url, "/v3/kv/put", {"key": _encode(key), "value": _encode(value)}))

    def get(self, url: str, key: str) -> tuple[Header, Stored | None]:
        """Read a key, linearizable."""
        answer = self.post(url, "/v3/kv/range", {"key": _encode(key)})
        return Header.of(answer), _kept(answer).get(key)

    def get_prefix(self, urls: Iterable[str], prefix: str) -> dict[str, Stored]:
        """Read all keys with a prefix, linearizable, from the first member that answers.

        Raises:
            RuntimeError: none did.
        """
        body = {"key": _encode(prefix), "range_end": _encode(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
        error: Exception | None = None
        for url in urls:
            try:
                return _kept(self.post(url, "/v3/kv/range", body, _LONG_S))
            except FAILURES as failed:
                error = failed
        raise RuntimeError("no member answered the last read") from error


def _kept(answer: dict[str, Any]) -> dict[str, Stored]:
    return {
        _decode(kv["key"]): Stored(
            _decode(kv.get("value", "")), int(kv["create_revision"]), int(kv["mod_revision"]), int(kv["version"])
        )
        for kv in answer.get("kvs", [])
    }


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()
