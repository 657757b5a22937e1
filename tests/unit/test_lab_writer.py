"""The lab's client writes where etcd's own client would."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.writer import Writer


class Member(ThreadingHTTPServer):
    """Answers as one etcd does.

    Args:
        is_learner: a learner takes no writes.
        drops: the first of this many writes: answered with an error, as in a leadership transfer.
    """

    def __init__(self, *, is_learner: bool = False, drops: int = 0) -> None:
        self.is_learner = is_learner
        self.drops = drops
        self.writes = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Takes writes and tells the status, whatever is asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        member = self.server
        assert isinstance(member, Member)
        self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 200, dict[str, object](header={"revision": "7"})
        if self.path == "/v3/maintenance/status":
            answer |= dict[str, object](isLearner=True) if member.is_learner else {}
        else:
            member.writes += 1
            status = 500 if member.is_learner or member.writes <= member.drops else 200
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*members: Member) -> Iterator[None]:
    threads = [threading.Thread(target=member.serve_forever, args=(0.01,)) for member in members]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for member, thread in zip(members, threads, strict=True):
            member.shutdown()
            member.server_close()
            thread.join()


def written(writer: Writer, count: int) -> None:
    """Let it write until so many were acknowledged."""
    enough = threading.Event()
    with writer:
        while len(writer.acknowledged) < count:
            enough.wait(0.01)


def test_writes_go_to_all_voters_in_turn_and_to_no_learner_or_host_that_is_off() -> None:
    one, two, learner = Member(), Member(), Member(is_learner=True)
    with socket.socket() as closed, serving(one, two, learner):
        closed.bind(("127.0.0.1", 0))  # nobody else listens there, nor does this one
        off = f"http://127.0.0.1:{closed.getsockname()[1]}"
        writer = Writer(lambda: [off, one.url, learner.url, two.url], pause_s=0.0)
        written(writer, 10)
    assert one.writes
    assert two.writes
    assert learner.writes == 0
    assert writer.failures == 0


def test_a_write_that_one_member_drops_is_written_again_by_the_next() -> None:
    one, two = Member(drops=1), Member(drops=1)
    with serving(one, two):
        writer = Writer(lambda: [one.url, two.url], pause_s=0.0)
        written(writer, 4)
    assert writer.acknowledged[0].tries > 1
    assert sum(each.tries - 1 for each in writer.acknowledged) == writer.failures
