"""How often a run looks at etcd while it expects something of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etcd_aws_cluster.app.reconcile import Pace


@pytest.mark.parametrize(("waited_s", "pause_ms"), [(0.0, 20), (0.32, 20), (0.8, 50), (1.6, 100), (600.0, 100)])
def test_a_pause_is_a_small_part_of_the_wait_and_no_longer_than_set(waited_s: float, pause_ms: int) -> None:
    assert Pace().after(waited_s) == timedelta(milliseconds=pause_ms)


def test_a_pace_that_is_set_to_less_than_the_shortest_pause_holds() -> None:
    assert Pace(etcd=timedelta(milliseconds=10)).after(0) == timedelta(milliseconds=10)
