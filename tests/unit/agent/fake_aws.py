"""A loopback HTTP server that plays IMDSv2, Parameter Store and DescribeTags from a script."""

from __future__ import annotations

import json
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


class Server:
    """Serves a FakeAws on an ephemeral loopback port."""

    def __init__(self, fake: FakeAws) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve()

            def do_PUT(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                headers = {key.lower(): value for key, value in self.headers.items()}
                answer = fake.answer(self.command, self.path, headers, body)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if not answer.drip_s:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    if stopping.wait(answer.drip_s):
                        return
                    try:
                        self.wfile.write(bytes([byte]))
                    except OSError:  # the agent has given up on us
                        return

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        stopping = threading.Event()
        self._stopping = stopping
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        fake.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def form(body: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(body).items()}
