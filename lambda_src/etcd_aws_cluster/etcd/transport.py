"""HTTP to one etcd, bounded in every way: time to connect, time between bytes, time in all, and size.

What answers may be half dead, or not etcd at all. So nothing is followed (redirects), inherited
(proxies, .netrc) or kept (a body beyond 1 MiB). With https both sides show a certificate of the cluster's own CA.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..core.errors import ClusterError, NotSentError, OutcomeUnknownError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY_BYTES = 1024 * 1024
"""A member list of 100 entries takes some 20 KB."""

TOTAL_TIME_FACTOR = 2
"""An answer may take this many read timeouts, from its first byte awaited to its last one read."""

# Alerts by which a server ends a handshake over our certificate. In TLS 1.3 they arrive when ours is finished already,
# behind the request; the server has not read that. https://www.rfc-editor.org/rfc/rfc8446#section-6.2
_REFUSED_HANDSHAKE = frozenset(
    {
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
)


class Answer(NamedTuple):
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

    Args:
        tls: Returns what https connections trust and show; asked for each new one. It may raise a ClusterError.
    """

    def __init__(
        self, *, connect_timeout: timedelta, read_timeout: timedelta, tls: Callable[[], ssl.SSLContext]
    ) -> None:
        self._connect_timeout_s = connect_timeout.total_seconds()
        self._read_timeout_s = read_timeout.total_seconds()
        self._tls = tls
        self._certificate_ends_at: dict[str, float] = {}
        self._sessions: dict[str, requests.Session] = {}

    def send(  # noqa: D417 - the plain ones are what they say
        self,
        method: str,
        endpoint: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        max_read_timeout: timedelta | None = None,
        wants_body: bool = True,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Args:
            max_read_timeout: Wait no longer than this between bytes, however patient the settings are.
            wants_body: Whether the body of a 200 is read; the answer's is empty if not.

        Raises:
            NotSentError: No connection came about, or TLS did not.
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
                headers=headers,
                timeout=(self._connect_timeout_s, read_timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._note_certificate(endpoint, response)
                is_wanted = wants_body or response.status_code != HTTPStatus.OK
                content = _read(response) if is_wanted else b""
                return Answer(request=request, status=response.status_code, headers=response.headers, body=content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
            if _was_never_sent(error):
                self._forget(endpoint)
                raise NotSentError(f"{endpoint}: {request} was not sent: {_cause(error)}") from error
            raise OutcomeUnknownError(f"{endpoint}: {request} got no whole answer: {_cause(error)}") from error

    def certificate_ends_at(self, endpoint: str) -> float | None:
        """Return when the certificate that an endpoint last showed ends, in epoch seconds."""
        return self._certificate_ends_at.get(endpoint)

    def close(self) -> None:
        """Close every connection; the next request opens a new one."""
        self._certificate_ends_at.clear()
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _forget(self, endpoint: str) -> None:
        self._certificate_ends_at.pop(endpoint, None)
        session = self._sessions.pop(endpoint, None)
        if session:
            session.close()

    def _session(self, endpoint: str) -> requests.Session:
        session = self._sessions.get(endpoint)
        if session is None:
            session = _Session()
            session.trust_env = False  # no proxy, no .netrc: the members are in this VPC
            session.headers["Accept-Encoding"] = "identity"
            session.mount("http://", _Adapter())
            if endpoint.startswith("https:"):
                session.mount("https://", _TlsAdapter(self._tls_context(endpoint)))
            self._sessions[endpoint] = session
        return session

    def _tls_context(self, endpoint: str) -> ssl.SSLContext:
        try:
            return self._tls()
        except ClusterError as error:
            raise NotSentError(f"{endpoint}: TLS: no certificate to show: {error}") from error

    def _note_certificate(self, endpoint: str, response: requests.Response) -> None:
        sock = getattr(response.raw.connection, "sock", None)
        certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
        if certificate:
            self._certificate_ends_at[endpoint] = ssl.cert_time_to_seconds(str(certificate["notAfter"]))


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
    if isinstance(error, requests.ConnectionError) and isinstance(reason, urllib3.exceptions.NewConnectionError):
        return True
    inner = _innermost(error)
    return isinstance(inner, ssl.SSLError) and inner.reason in _REFUSED_HANDSHAKE


def _innermost(error: BaseException) -> object:
    """Return the innermost reason: requests and urllib3 wrap each other's errors three deep."""
    inner: object = error
    while isinstance(inner, Exception):
        wrapped = getattr(inner, "reason", None) or next(iter(inner.args), None)
        if not isinstance(wrapped, Exception):
            break
        inner = wrapped
    return inner


def _cause(error: BaseException) -> str:
    inner = _innermost(error)
    is_tls = isinstance(inner, ssl.SSLError | _HandshakeError)
    if isinstance(inner, _HandshakeError):
        inner = inner.__cause__
    return f"{'TLS: ' if is_tls else ''}{type(inner).__name__}: {inner}"


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


class _HandshakeError(urllib3.exceptions.NewConnectionError):
    """TLS did not come about: as if there had been no connection, since a request is sent only after it."""

    def __init__(self, connection: urllib3.connection.HTTPConnection, error: Exception) -> None:
        super().__init__(connection, str(error))


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, ValueError) as error:  # what befalls the connection beneath is urllib3's own HTTPError
            raise _HandshakeError(self, error) from error


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' signature
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class _TlsAdapter(_Adapter):
    """Trusts and shows what the context says, and nothing that requests would add (the public CAs)."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' signature
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 - requests' signature
        """Leave it to the context."""
