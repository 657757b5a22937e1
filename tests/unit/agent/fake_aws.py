"""A loopback HTTP server that plays IMDSv2, Parameter Store and DescribeTags from a script."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

INSTANCE = "i-0a1b2c3d"
ADDRESS = "10.0.0.4"
TOKEN = "imds-token"


@dataclass
class Scripted:
    """One HTTP answer; `drip_s` sends a byte of it every so many seconds."""

    status: int
    body: bytes
    drip_s: float = 0.0


def parameter(value: str) -> Scripted:
    return Scripted(200, json.dumps({"Parameter": {"Name": "n", "Type": "String", "Value": value}}).encode())


def ssm_error(code: str, status: int = 400, message: str = "") -> Scripted:
    return Scripted(status, json.dumps({"__type": code, "message": message}).encode())


def tags_page(tags: list[tuple[str, str, str]], next_token: str = "") -> Scripted:
    members = "".join(
        f"<member><ResourceId>{escape(group)}</ResourceId><ResourceType>auto-scaling-group</ResourceType>"
        f"<Key>{escape(key)}</Key><Value>{escape(value)}</Value></member>"
        for group, key, value in tags
    )
    more = f"<NextToken>{next_token}</NextToken>" if next_token else ""
    body = (
        '<DescribeTagsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeTagsResult>'
        f"<Tags>{members}</Tags>{more}</DescribeTagsResult></DescribeTagsResponse>"
    )
    return Scripted(200, body.encode())


def tags_error(code: str, status: int) -> Scripted:
    namespace = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
    return Scripted(
        status, f'<ErrorResponse xmlns="{namespace}"><Error><Code>{code}</Code></Error></ErrorResponse>'.encode()
    )


@dataclass
class FakeAws:
    """Answers in the order of the script; the last answer of a script is given for ever."""

    ssm: list[Scripted] = field(default_factory=lambda: [ssm_error("ParameterNotFound")])
    tags: list[Scripted] = field(default_factory=lambda: [tags_page([])])
    document: dict[str, Any] = field(
        default_factory=lambda: {"instanceId": INSTANCE, "privateIp": ADDRESS, "region": "us-east-1"}
    )
    raw_document: bytes | None = None
    token_status: int = 200
    role: bool = True
    requests: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    url: str = ""
    tls_url: str = ""

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.requests]

    def posts(self) -> list[tuple[dict[str, str], str]]:
        return [(headers, body) for method, _, headers, body in self.requests if method == "POST"]

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Scripted:
        self.requests.append((method, path, headers, body))
        if method == "PUT" and path == "/latest/api/token":
            return Scripted(self.token_status, TOKEN.encode())
        if path.startswith("/latest/"):
            return self._metadata(path, headers)
        script = self.ssm if "x-amz-target" in headers else self.tags
        return script.pop(0) if len(script) > 1 else script[0]

    def _metadata(self, path: str, headers: dict[str, str]) -> Scripted:
        if headers.get("x-aws-ec2-metadata-token") != TOKEN:
            return Scripted(401, b"<html>IMDSv1 is off</html>")
        if path == "/latest/dynamic/instance-identity/document":
            return Scripted(200, self.raw_document or json.dumps(self.document).encode())
        if self.role and path.endswith("/security-credentials/"):
            return Scripted(200, b"etcd-role")
        if self.role and path.endswith("/security-credentials/etcd-role"):
            keys = {"AccessKeyId": "ROLEKEY", "SecretAccessKey": "s", "Token": "session", "Code": "Success"}
            return Scripted(200, json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}).encode())
        return Scripted(404, b"")


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the FakeAws of its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes, and 40 ms apart with it
    fake: FakeAws
    stopping: threading.Event

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def handle(self) -> None:
        # A client that does not trust the certificate, or has waited enough, hangs up.
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {key.lower(): value for key, value in self.headers.items()}
        answer = self.fake.answer(self.command, self.path, headers, body)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not answer.drip_s:
            self.wfile.write(answer.body)
            return
        for byte in answer.body:
            if self.stopping.wait(answer.drip_s):
                return
            self.wfile.write(bytes([byte]))


class Server:
    """Serves a FakeAws on an ephemeral loopback port."""

    def __init__(self, fake: FakeAws, *, tls: ssl.SSLContext | None = None) -> None:
        self._stopping = threading.Event()
        handler = type("HandlerOfThisServer", (Handler,), {"fake": fake, "stopping": self._stopping})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        fake.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def form(body: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(body).items()}
