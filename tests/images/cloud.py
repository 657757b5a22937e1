"""The AWS that a machine sees at IMDS's address: IMDSv2, Parameter Store, and S3 for those whose signature is right."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.unit.agent.fake_aws import FakeAws, Handler, Scripted

ADDRESS = "169.254.169.254"
_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[^ ]*, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)")
# Those of FakeAws's role.
_ROLE = Credentials("ROLEKEY", "s", "session")


@dataclass
class Cloud(FakeAws):
    """A FakeAws that has objects as well.

    Attributes:
        objects: by bucket/key.
    """

    objects: dict[str, bytes] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Scripted:
        """Answer one request."""
        if method != "GET" or path.startswith("/latest/"):
            return super().answer(method, path, headers, body)
        self.requests.append((method, path, headers, body))
        if not is_signed(path, headers, _ROLE):
            return Scripted(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        found = self.objects.get(path[1:])
        return Scripted(404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else Scripted(200, found)

    def downloads(self) -> list[str]:
        """The objects that were asked for."""
        return [path[1:] for method, path, *_ in self.requests if method == "GET" and not path.startswith("/latest/")]


def is_signed(path: str, headers: dict[str, str], credentials: Credentials) -> bool:
    """Whether botocore would have signed a GET of an object in us-east-1 like that."""
    given = _SIGNED.fullmatch(headers.get("authorization", ""))
    if not given or given[1] != credentials.access_key or headers.get("x-amz-security-token") != credentials.token:
        return False
    signed = {name: headers.get(name, "") for name in given[2].split(";")}
    if not {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= signed.keys():
        return False
    request = AWSRequest("GET", f"http://{headers['host']}{path}", headers=signed)
    request.context.update(timestamp=headers["x-amz-date"], payload_signing_enabled=False)
    signer = S3SigV4Auth(credentials, "s3", "us-east-1")
    right: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return given[3] == right


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class CloudServer:
    """Serves a cloud in the network where ``enter`` runs what it is given."""

    def __init__(self, cloud: Cloud, enter: Callable[[Callable[[], socket.socket]], socket.socket]) -> None:
        handler = type("HandlerOfThisCloud", (Handler,), {"fake": cloud, "stopping": threading.Event()})
        self._server = _Server((ADDRESS, 80), handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = enter(lambda: socket.create_server((ADDRESS, 80)))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
