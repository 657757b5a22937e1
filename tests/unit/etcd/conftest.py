"""The client under test, impatient."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from etcd_aws_cluster.etcd.client import EtcdClient


@pytest.fixture
def client() -> Iterator[EtcdClient]:
    """A client that waits 0.4 s between bytes, so 0.8 s for an answer."""
    with EtcdClient(connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=0.4)) as client:
        yield client
