"""A cluster of http becomes one of https, member by member, while it serves both."""

from __future__ import annotations

from contextlib import suppress

from etcd_aws_cluster.core.asking import endpoints_to_ask
from etcd_aws_cluster.core.errors import NotSentError
from etcd_aws_cluster.core.policy import Policy
from tests.builders import a_view, ip
from tests.fakes.etcd_hosts import Cluster, Process
from tests.fakes.fake_membership import FakeEtcd
from tests.world import World

HTTPS = Policy(client_scheme="https", peer_scheme="https")


class BothWays(FakeEtcd):
    """Serves clients with and without TLS on one port."""

    def _reach(self, endpoint: str) -> tuple[Process, Cluster]:
        address = endpoint.partition("://")[2]
        with suppress(NotSentError):
            return super()._reach(f"http://{address}")
        return super()._reach(f"https://{address}")


def schemes(world: World) -> list[str]:
    """Return the schemes of the members' peer URLs."""
    return sorted(m.peer_urls[0].partition(":")[0] for m in world.cluster().members.values())


def test_members_are_replaced_one_after_the_other_and_the_cluster_stays_whole() -> None:
    world = World()
    world.etcd = BothWays(catches_up_at_once=True)
    world.live(minutes=3)
    world.policy = HTTPS
    world.live(minutes=1)
    assert world.is_as_desired()
    assert schemes(world) == ["http"] * 3

    for done, old in enumerate(world.group.in_service(), start=1):
        world.group.terminate(old)
        world.live(minutes=4)
        assert world.is_as_desired()
        assert schemes(world) == ["http"] * (3 - done) + ["https"] * done

    assert len(world.etcd.clusters) == 1
    assert world.store.record is not None
    assert "http://" not in world.store.record.initial_cluster()


def test_an_https_newcomer_may_have_the_address_of_an_http_member_that_is_gone() -> None:
    world = World()
    world.etcd = BothWays(catches_up_at_once=True)
    world.live(minutes=3)
    world.policy = HTTPS
    lost = world.group.in_service()[0]
    address = world.group.instances[lost].private_ip
    world.group.lose(lost)
    world.group.instances[lost].private_ip = None
    world.group.launch(private_ip=address)

    world.live(minutes=6)

    assert world.is_as_desired()
    assert schemes(world) == ["http", "http", "https"]


def test_everybody_is_asked_by_the_scheme_of_now_whatever_they_were_added_with() -> None:
    assert endpoints_to_ask(a_view(readings=()), HTTPS) == tuple(f"https://{ip(n)}:2379" for n in (1, 2, 3))
