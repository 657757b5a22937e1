"""A few chosen seeds of `make torture` (docs/torture.md), in one lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.torture.ground import Ground

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(tmp_path_factory.mktemp("torture") / "lab") as made:
        yield made


# None that kills an etcd and starts it again: where no other etcd is built, it is one that may not survive that.
@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(15, id="majority-lost"),
        pytest.param(84, id="host-lost-while-clocks-are-wrong"),
        pytest.param(136, id="network-split"),
        pytest.param(143, id="scaled-while-cut-off"),
    ],
)
def test_a_seed_passes(ground: Ground, seed: int) -> None:
    result = ground.play(seed)
    assert result.problems == []
    assert result.writes > 0
    assert ground.refused() == []
