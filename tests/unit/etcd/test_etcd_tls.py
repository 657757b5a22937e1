"""TLS that does not come about: known not to have been sent, and told as what it is."""

from __future__ import annotations

import gc
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from etcd_aws_cluster.core.errors import AwsError, NotSentError, OutcomeUnknownError
from etcd_aws_cluster.etcd.client import EtcdClient
from etcd_aws_cluster.pki.certificates import host
from tests.pki import Pki
from tests.unit.etcd.scripted_server import http

PEER_URL = "https://127.0.20.14:2380"
VERSION = http(200, b'{"etcdserver":"3.5.1","etcdcluster":"3.5.0"}')


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def a_client(tls: Callable[[], ssl.SSLContext], patience_s: float = 30.0) -> EtcdClient:
    patience = timedelta(seconds=patience_s)
    return EtcdClient(connect_timeout=patience, read_timeout=patience, tls=tls)


def server_context(pki: Pki, address: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pki.ca.bundle())
    context.load_cert_chain(*pki.files("server", host("i-0a", address)))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Let whoever connects be handled by ``behave``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        behave(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def over_tls(context: ssl.SSLContext, *answers: bytes) -> Callable[[socket.socket], None]:
    """Answer each request on one connection, then close it."""

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            for answer in answers:
                secured.recv(65536)
                secured.sendall(answer)
            secured.recv(65536)

    return behave


def wait_for_the_client(connection: socket.socket) -> None:
    """Say nothing until the client has given up."""
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    ("behave", "problem"),
    [
        (wait_for_the_client, "TLS: TimeoutError"),
        (lambda _: None, "TLS: "),
        (lambda connection: connection.sendall(VERSION), "TLS: SSLError"),
    ],
    ids=["silent", "closing", "speaking http"],
)
def test_a_handshake_that_fails_means_that_nothing_was_sent(
    pki: Pki, behave: Callable[[socket.socket], None], problem: str
) -> None:
    patience_s = 0.3 if behave is wait_for_the_client else 30.0
    with listening(behave) as endpoint, a_client(pki.identity(), patience_s) as client:
        assert problem in client.read(endpoint).problem
        with pytest.raises(NotSentError):
            client.add_member(endpoint, PEER_URL, as_learner=True)


class SlowContext(ssl.SSLContext):
    """Begins its handshakes once the other side has gone, which that is to do when there is a connection."""

    def __init__(self, _: int) -> None:
        self.connected, self.gone = threading.Event(), threading.Event()

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401 - ssl's signature
        self.connected.set()
        self.gone.wait(60)
        return super().wrap_socket(*args, **kwargs)


def test_a_connection_that_is_reset_before_its_handshake_means_that_nothing_was_sent() -> None:
    """As by an etcd that ends with connections in its backlog; ssl forgets such a socket (filterwarnings)."""
    context = SlowContext(ssl.PROTOCOL_TLS_CLIENT)

    def reset(connection: socket.socket) -> None:
        context.connected.wait(60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        context.gone.set()

    with (
        listening(reset) as endpoint,
        a_client(lambda: context) as client,
        pytest.raises(NotSentError, match="ConnectionResetError"),
    ):
        client.add_member(endpoint, PEER_URL, as_learner=True)
    gc.collect()


def test_a_connection_that_is_lost_after_the_request_leaves_the_outcome_unknown(pki: Pki) -> None:
    with (
        listening(over_tls(server_context(pki), VERSION)) as endpoint,
        a_client(pki.identity()) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        client.add_member(endpoint, PEER_URL, as_learner=True)


def test_a_server_that_refuses_our_certificate_after_our_handshake_has_read_nothing(pki: Pki, tmp_path: Path) -> None:
    context = pki.stranger()
    context.load_cert_chain(*Pki(tmp_path / "other").files("client", host("i-0b", "127.0.0.1")))
    with (
        listening(over_tls(server_context(pki))) as endpoint,
        a_client(lambda: context) as client,
        pytest.raises(NotSentError, match="/version"),
    ):
        client.add_member(endpoint, PEER_URL, as_learner=True)


def test_public_cas_count_for_nothing_where_the_cluster_has_its_own(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Pki(pki.directory / "other")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.directory / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(other.directory / "ca.pem"))
    with listening(over_tls(server_context(other), VERSION)) as endpoint, a_client(pki.identity()) as client:
        assert "TLS: SSLCertVerificationError" in client.read(endpoint).problem


def test_the_end_of_the_servers_certificate_is_told(pki: Pki) -> None:
    status = http(500, b"{}")
    with listening(over_tls(server_context(pki), VERSION, status)) as endpoint, a_client(pki.identity()) as client:
        reading = client.read(endpoint)
    assert reading.problem != ""
    assert reading.certificate_ends_at is not None


def test_without_a_certificate_of_ones_own_nothing_is_sent_and_the_reason_is_told() -> None:
    def none() -> ssl.SSLContext:
        raise AwsError("GetSecretValue failed: AccessDeniedException")

    with listening(wait_for_the_client) as endpoint, a_client(none) as client:
        problem = client.read(endpoint).problem
        with pytest.raises(NotSentError):
            client.add_member(endpoint, PEER_URL, as_learner=True)
    assert "TLS: no certificate to show: GetSecretValue failed: AccessDeniedException" in problem
