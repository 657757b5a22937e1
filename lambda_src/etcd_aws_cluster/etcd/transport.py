"""HTTP to one etcd, bounded in every way: time to connect, time between bytes, time in all, and size.

What answers may be half dead, or not etcd at all. So nothing is followed (redirects), inherited
(proxies, .netrc) or kept (a body beyond 1 MiB).
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..core.errors import NotSentError, OutcomeUnknownError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY_BYTES = 1024 * 1024
"""A member list of 100 entries takes some 20 KB."""

TOTAL_TIME_FACTOR = 2
"""An answer may take this many read timeouts, from its first byte awaited to its last one read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, whatever its status.

    Attributes:
        request: What was asked, for messages: ``POST /v3/cluster/member/add``.
    """

    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the decoded body.

        Raises:
            ValueError: It is not JSON, or nested too deeply to be etcd's.
        """
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    @property
    def excerpt(self) -> str:
        """The status and the start of the body, for messages."""
        return f"{self.request} answered {self.status} {self.body[:200].decode(errors='replace').strip()!r}"


class Transport:
    """Sends requests; keeps one connection per endpoint.

    One thread per endpoint at a time; different endpoints may be asked in parallel.
    """

    def __init__(self, *, connect_timeout: timedelta, read_timeout: timedelta, ca_bundle: str | None = None) -> None:
        self._connect_timeout_s = connect_timeout.total_seconds()
        self._read_timeout_s = read_timeout.total_seconds()
        self._ca_bundle = ca_bundle
        self._sessions: dict[str, requests.Session] = {}

    def send(  # noqa: D417 - the plain ones are what they say
        self,
        method: str,
        endpoint: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        max_read_timeout: timedelta | None = None,
        wants_body: bool = True,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Args:
            max_read_timeout: Wait no longer than this between bytes, however patient the settings are.
            wants_body: Whether the body of a 200 is read; the answer's is empty if not.

        Raises:
            NotSentError: No connection came about.
            OutcomeUnknownError: The request may have arrived, and no whole answer came back.
        """
        request = f"{method} {path}"
        read_timeout_s = self._read_timeout_s
        if max_read_timeout is not None:
            read_timeout_s = min(read_timeout_s, max_read_timeout.total_seconds())
        try:
            with self._session(endpoint).request(
                method,
                endpoint + path,
                json=body,
                timeout=(self._connect_timeout_s, read_timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                is_wanted = wants_body or response.status_code != HTTPStatus.OK
                content = _read(response) if is_wanted else b""
                return Answer(request=request, status=response.status_code, headers=response.headers, body=content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
            if _was_never_sent(error):
                self._sessions.pop(endpoint).close()
                raise NotSentError(f"{endpoint}: {request} was not sent: {_cause(error)}") from error
            raise OutcomeUnknownError(f"{endpoint}: {request} got no whole answer: {_cause(error)}") from error

    def close(self) -> None:
        """Close every connection; the next request opens a new one."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _session(self, endpoint: str) -> requests.Session:
        session = self._sessions.get(endpoint)
        if session is None:
            session = _Session()
            session.trust_env = False  # no proxy, no .netrc: the members are in this VPC
            session.headers["Accept-Encoding"] = "identity"
            session.mount("http://", _Adapter(pool_connections=1, pool_maxsize=1))
            session.mount("https://", _Adapter(pool_connections=1, pool_maxsize=1))
            # trust_env also hides REQUESTS_CA_BUNDLE, hence the explicit setting.
            session.verify = self._ca_bundle or True
            self._sessions[endpoint] = session
        return session


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _read(response: requests.Response) -> bytes:
    if "Content-Encoding" in response.headers:
        raise requests.exceptions.ContentDecodingError("the body is encoded, which was not asked for")
    content = bytearray()
    for chunk in response.iter_content(64 * 1024):
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise requests.exceptions.ContentDecodingError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(content)


def _was_never_sent(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectionError) and isinstance(reason, urllib3.exceptions.NewConnectionError)


def _cause(error: BaseException) -> str:
    """Return the innermost reason: requests and urllib3 wrap each other's errors three deep."""
    inner: object = error
    while isinstance(inner, Exception):
        wrapped = getattr(inner, "reason", None) or next(iter(inner.args), None)
        if not isinstance(wrapped, Exception):
            break
        inner = wrapped
    return f"{type(inner).__name__}: {inner}"


class _Session(requests.Session):
    """Leaves redirects alone; requests itself would read the whole body of one, even with allow_redirects=False."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests' signature
        return None


class _DeadlineIO(io.RawIOBase):
    """Reads a socket until a deadline.

    A read timeout alone bounds nothing: it starts anew with every byte, and a status line, a header
    and a chunk's length have 64 KiB each to drip through.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._read_timeout_s = sock.gettimeout() or 0.0
        self._deadline = time.monotonic() + TOTAL_TIME_FACTOR * self._read_timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"the answer was not whole within {TOTAL_TIME_FACTOR} read timeouts")
        self._sock.settimeout(min(left_s, self._read_timeout_s))
        return cast("int | None", cast("Any", self._stream).readinto(buffer))

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - http.client's
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineIO(sock))


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' signature
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
