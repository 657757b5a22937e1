"""A server on 127.0.0.1 that says exactly what a test tells it to, well formed or not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]
Script = Behaviour | bytes | list[bytes]
"""What to do, what to answer each time, or what to answer one time after the other."""

VERSION_3_5 = b'{"etcdserver":"3.5.1","etcdcluster":"3.5.0"}'


@dataclass
class ScriptedServer:
    """Answers by path; a path without an answer gets etcd's own 404.

    Attributes:
        requests: Method, path and body of what was asked, in order.
        authorizations: The Authorization headers of these, empty where there was none.
        connections: How many were accepted.
        stopping: Set when the test is over, for behaviours that would go on.
    """

    answers: dict[str, Script]
    endpoint: str = ""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def handle(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while request := stream.readline():
                method, path, _ = request.decode().split(" ", 2)
                length, authorization = 0, ""
                while (line := stream.readline().strip()) != b"":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                    if line.lower().startswith(b"authorization:"):
                        authorization = line.decode().partition(": ")[2]
                self.requests.append((method, path, stream.read(length)))
                self.authorizations.append(authorization)
                answer = self.answers.get(path, http(404, b"404 page not found\n"))
                if callable(answer):
                    answer(connection)
                    return
                connection.sendall(answer.pop(0) if isinstance(answer, list) else answer)

    def asked(self, path: str) -> list[object]:
        """Return the decoded bodies of all requests for a path."""
        return [json.loads(body or b"null") for _, asked, body in self.requests if asked == path]


def http(status: int, body: bytes, **headers: str) -> bytes:
    """Return a whole HTTP answer; underscores in header names stand for dashes."""
    lines = [f"HTTP/1.1 {status} whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ok(body: str) -> bytes:
    """Return an HTTP 200."""
    return http(200, body.encode())


@contextmanager
def serving(**answers: Script) -> Iterator[ScriptedServer]:
    """Serve ``answers``, by the last part of their path; ``version`` is 3.5's by default.

    ``list=`` stands for ``/v3/cluster/member/list`` and so on.
    """
    paths = {
        "version": "/version",
        "status": "/v3/maintenance/status",
        "list": "/v3/cluster/member/list",
        "range": "/v3/kv/range",
        "add": "/v3/cluster/member/add",
        "promote": "/v3/cluster/member/promote",
        "remove": "/v3/cluster/member/remove",
        "transfer": "/v3/maintenance/transfer-leadership",
        "login": "/v3/auth/authenticate",
        "v2_self": "/v2/stats/self",
        "v2_keys": "/v2/keys/?quorum=true",
        "v2_members": "/v2/members",
        "v2_leader": "/v2/members/leader",
        "v2_member": "/v2/members/3039",
    }
    by_path: dict[str, Script] = {
        "/version": ok(VERSION_3_5.decode()),
        **{paths[name]: answer for name, answer in answers.items()},
    }
    with serving_paths(by_path) as server:
        yield server


@contextmanager
def serving_paths(answers: dict[str, Script]) -> Iterator[ScriptedServer]:
    """Serve ``answers`` by their whole path."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = ScriptedServer(answers, endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            connections.append(connection)
            threads.append(threading.Thread(target=server.handle, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        server.stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
