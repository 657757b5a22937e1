"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.worlds import Cluster, World, Worlds


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    worlds = Worlds(tmp_path_factory)
    yield worlds
    worlds.close()


_REAL = [pytest.param(f"v3 {v}", id=f"v3-etcd-{v}", marks=pytest.mark.real_etcd) for v in ("3.4", "3.5", "3.6")]
_REAL_V2 = [pytest.param(f"v2 {v}", id=f"v2-etcd-{v}", marks=pytest.mark.real_etcd) for v in ("3.4", "3.5")]
_FAKE = pytest.param("fake 3.5.1", id="fake-3")
_FAKE_V2 = pytest.param("fake 2.3.8", id="fake-2")


@pytest.fixture(params=[_FAKE, *_REAL])
def cluster(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[Cluster]:
    """A healthy cluster of three that knows learners."""
    shared = worlds.shared(request.param)
    yield shared
    shared.restore()


@pytest.fixture(params=[_FAKE_V2, *_REAL_V2])
def v2_cluster(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[Cluster]:
    """A healthy cluster of three that is spoken to in v2."""
    shared = worlds.shared(request.param)
    yield shared
    shared.restore()


@pytest.fixture(params=[_FAKE, _FAKE_V2, *_REAL, *_REAL_V2])
def any_cluster(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[Cluster]:
    """A healthy cluster of three, of any version."""
    shared = worlds.shared(request.param)
    yield shared
    shared.restore()


@pytest.fixture(params=[_FAKE, _FAKE_V2, *_REAL, *_REAL_V2])
def world(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[World]:
    """Hosts for clusters that a test breaks."""
    world = worlds.world(request.param)
    yield world
    world.close()


@pytest.fixture(params=[_FAKE_V2, *_REAL_V2])
def v2_world(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[World]:
    """Hosts for clusters that a test breaks, spoken to in v2."""
    world = worlds.world(request.param)
    yield world
    world.close()
