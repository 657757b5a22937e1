"""The client under test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from etcd_aws_cluster.etcd.client import EtcdClient


@pytest.fixture
def client() -> Iterator[EtcdClient]:
    """A client with more patience than a scripted server on a busy machine needs."""
    with EtcdClient(connect_timeout=timedelta(seconds=30), read_timeout=timedelta(seconds=30)) as client:
        yield client
