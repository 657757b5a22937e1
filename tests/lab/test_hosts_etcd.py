"""Which etcd a host of the lab runs."""

from pathlib import Path
from typing import Any

import pytest

from lab.hosts.host import Site

TAG = "etcd-aws-cluster:deployed"


@pytest.mark.parametrize(
    ("tags", "runs"),
    [
        ({TAG: "version=3.4.30 client=http:2379"}, "old"),
        ({TAG: "version=3.5.99 client=http:2379"}, "usual"),
        ({TAG: "conversion=3.4.30"}, "usual"),
        ({}, "usual"),
    ],
)
def test_a_host_runs_the_etcd_of_the_release_that_it_was_deployed_with(tags: dict[str, str], runs: str) -> None:
    def note(_: dict[str, Any]) -> None: ...

    site = Site(
        folder=Path("folder"),
        agent=Path("agent"),
        etcd=Path("usual"),
        aws_endpoint="",
        metadata_port=0,
        restart_s=0,
        watch_s=0,
        renew_s=0,
        note=note,
        etcds={"3.4.30": Path("old")},
    )
    assert site.etcd_of(tags) == Path(runs)
