"""The instance metadata service, version 2 only: one listener on each instance's own address."""

from __future__ import annotations

import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105  # a path
_TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"  # noqa: S105  # a header
_TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"
_TTLS_S: Final = range(1, 21601)


class MetadataService:
    """The metadata service of one instance.

    Args:
        address: the instance's own private address, to listen on.
        port: the port to listen on.
        lookup: the value at a path such as ``/latest/meta-data/instance-id``, or None.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, address: str, port: int, lookup: Callable[[str], str | None]) -> None:
        tokens: dict[str, float] = {}

        class Handler(_Handler):
            """Answers for this instance."""

        Handler.tokens, Handler.lookup = tokens, staticmethod(lookup)
        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name=f"imds-{address}"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    tokens: dict[str, float]
    lookup: Callable[[str], str | None]
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: in two parts the second would wait 40 ms for the client's ACK

    def do_PUT(self) -> None:
        """Hand out a session token."""
        if self.path != _TOKEN_PATH:
            self._answer(404, "")
            return
        text = self.headers.get(_TTL_HEADER, "")
        if not text.isdigit() or int(text) not in _TTLS_S:
            self._answer(400, "")
            return
        if "X-Forwarded-For" in self.headers:
            self._answer(403, "")
            return
        token = secrets.token_urlsafe(40)
        self.tokens[token] = time.monotonic() + int(text)
        self._answer(200, token, {_TTL_HEADER: text})

    def do_GET(self) -> None:
        """Answer a question that comes with a token; 401 without."""
        if self.tokens.get(self.headers.get(_TOKEN_HEADER, ""), 0.0) < time.monotonic():
            self._answer(401, "")
            return
        found = type(self).lookup(self.path.rstrip("/"))
        self._answer(404 if found is None else 200, found or "")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # http.server's signature
        """Stay silent: a client's question is nothing to report."""

    def _answer(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answers(
    facts: Callable[[], Mapping[str, Any]], credentials: Callable[[], Mapping[str, str]]
) -> Callable[[str], str | None]:
    """The lookup of an instance.

    Args:
        facts: the instance as it is now: ``instance_id``, ``address``, ``zone``, ``region``, ``account``, ``image_id``,
            ``instance_type``, ``role`` (name of its role, may be empty), ``lifecycle`` (its target state).
        credentials: makes credentials of its role.
    """
    meta = "/latest/meta-data"
    plain = {
        f"{meta}/instance-id": "instance_id",
        f"{meta}/local-ipv4": "address",
        f"{meta}/ami-id": "image_id",
        f"{meta}/instance-type": "instance_type",
        f"{meta}/placement/region": "region",
        f"{meta}/placement/availability-zone": "zone",
        f"{meta}/autoscaling/target-lifecycle-state": "lifecycle",
    }

    def lookup(path: str) -> str | None:
        now = facts()
        role = now["role"]
        if path in plain:
            return str(now[plain[path]])
        if path == "/latest/dynamic/instance-identity/document":
            return _identity(now)
        if role and path == f"{meta}/iam/security-credentials":
            return str(role)
        if role and path == f"{meta}/iam/security-credentials/{role}":
            return json.dumps(credentials())
        return None

    return lookup


def _identity(facts: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "accountId": facts["account"],
            "architecture": "x86_64",
            "availabilityZone": facts["zone"],
            "imageId": facts["image_id"],
            "instanceId": facts["instance_id"],
            "instanceType": facts["instance_type"],
            "privateIp": facts["address"],
            "region": facts["region"],
            "version": "2017-09-30",
        },
        indent=2,
    )
