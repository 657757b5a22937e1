"""Tests reach this machine and nothing else."""

from __future__ import annotations

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


def test_a_connection_beyond_loopback_fails_the_test_that_makes_it() -> None:
    refused = pytest.raises(SocketConnectBlockedError)
    with pytest.warns(UserWarning, match=r"192\.0\.2\.1"), refused, socket.socket() as attempt:
        attempt.connect(("192.0.2.1", 80))  # an address for documentation: RFC 5737


def test_a_connection_to_loopback_is_let_through() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server, socket.create_connection(server.getsockname()):
        pass
