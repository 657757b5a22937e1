"""Links between peers, and clocks that jump: each by itself."""

import gc
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lab import clock
from lab.hosts.links import Links
from tests.real_etcd import eventually

QUIET_S = 0.2
ANSWER_S = 60.0
ADDRESSES = (f"127.63.{os.getpid() % 256}.{n}" for n in itertools.count(1))
PORT = 2380


class Linked:
    """A connection from instance ``a``, which is this process, to instance ``b``, through their link."""

    def __init__(self) -> None:
        self.links = Links()
        self.links.runs("a", os.getpid())
        self.address = next(ADDRESSES)
        self.behind = self.links.open("b", f"http://{self.address}:{PORT}")
        self.server = socket.create_server((self.address, int(self.behind.rpartition(":")[2])))
        self.server.settimeout(ANSWER_S)

    def connect(self) -> socket.socket:
        """The end of ``a``."""
        return socket.create_connection((self.address, PORT), timeout=ANSWER_S)

    def accept(self) -> socket.socket:
        """The end of ``b``."""
        connection, _ = self.server.accept()
        connection.settimeout(ANSWER_S)
        return connection


@pytest.fixture
def linked() -> Iterator[Linked]:
    made = Linked()
    with made.server:
        yield made
    made.links.close("b")


def is_quiet(connection: socket.socket) -> bool:
    """Whether nothing comes for a while: no byte, no end, no reset."""
    connection.settimeout(QUIET_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(ANSWER_S)
    return False


def test_bytes_pass_both_ways_over_a_link(linked: Linked) -> None:
    with linked.connect() as a, linked.accept() as b:
        a.sendall(b"there")
        assert b.recv(5) == b"there"
        b.sendall(b"back")
        assert a.recv(4) == b"back"


def test_a_half_closed_connection_still_carries_the_other_way(linked: Linked) -> None:
    with linked.connect() as a, linked.accept() as b:
        a.shutdown(socket.SHUT_WR)
        assert b.recv(1) == b""
        gc.collect()  # asyncio itself holds such a connection by weak references only
        b.sendall(b"answer")
        assert a.recv(6) == b"answer"


def test_over_a_cut_link_nothing_passes_and_afterwards_it_goes_on(linked: Linked) -> None:
    with linked.connect() as a, linked.accept() as b:
        linked.links.cut([("a", "b")])
        a.sendall(b"late")
        a.shutdown(socket.SHUT_WR)
        assert is_quiet(b)
        b.sendall(b"back")
        assert a.recv(4) == b"back"  # the other way is another link
        linked.links.cut([])
        assert b.recv(4) == b"late"
        assert b.recv(1) == b""


@pytest.mark.parametrize("cut", [("a", "b"), ("b", "a")])
def test_a_connection_over_a_cut_link_is_accepted_and_leads_nowhere(linked: Linked, cut: tuple[str, str]) -> None:
    linked.links.cut([cut])
    with linked.connect() as a:
        a.sendall(b"hello")
        assert is_quiet(a)
        linked.links.cut([])
        with linked.accept() as b:
            assert b.recv(5) == b"hello"


def test_the_end_of_a_process_is_not_told_over_a_cut_link(linked: Linked) -> None:
    with linked.connect() as a:
        b = linked.accept()
        linked.links.cut([("b", "a")])
        b.close()
        assert is_quiet(a)
        linked.links.cut([])
        assert a.recv(1) == b""


def test_a_source_that_is_no_instance_is_let_through(linked: Linked) -> None:
    linked.links.ended(os.getpid())
    linked.links.cut([("a", "b"), ("b", "a")])
    with linked.connect() as a, linked.accept() as b:
        a.sendall(b"x")
        assert b.recv(1) == b"x"


def test_where_no_etcd_listens_the_connection_is_reset(linked: Linked) -> None:
    linked.server.close()
    with pytest.raises(ConnectionResetError), linked.connect() as a:
        a.recv(1)


def test_a_running_process_sees_the_wall_clock_jump_and_not_the_monotonic_one(tmp_path: Path) -> None:
    if not clock.can_step():
        pytest.skip("not run: no libfaketime for this machine")
    clock.set_offset(tmp_path, 0)
    told = "import time, sys\nfor _ in sys.stdin: print(time.time() - time.monotonic(), flush=True)"
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", told],
                env={**os.environ, **clock.variables(tmp_path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        ask, answers = process.stdin, process.stdout
        assert ask
        assert answers

        def shown() -> float:
            ask.write("\n")
            ask.flush()
            return float(answers.readline())

        right = shown()

        def is_off_by(offset: float) -> bool:
            return abs(shown() - right - offset) < 60

        for offset in (3600, -3600, 0):
            clock.set_offset(tmp_path, offset)
            eventually(partial(is_off_by, offset))
        ask.close()
