"""The certificate desk within whole runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from etcd_aws_cluster.core.certificates import Applicant
from etcd_aws_cluster.core.model import Ec2State, InstanceId, Transition
from etcd_aws_cluster.pki.certificates import new_key
from etcd_aws_cluster.pki.desk import CertificateDesk
from tests.fakes.fake_tray import FakeTray
from tests.pki import authorities, csr
from tests.world import World


class Gone:
    """EC2, which has forgotten whoever it is asked about."""

    def states(self, instance_ids: Collection[InstanceId]) -> Mapping[InstanceId, Ec2State]:
        return dict.fromkeys(instance_ids, Ec2State.ABSENT)


def a_world() -> tuple[World, FakeTray]:
    """A world whose controller issues certificates."""
    world, tray = World(), FakeTray()
    desk = CertificateDesk(
        authorities=authorities(now=world.clock.now),
        tray=tray,
        ec2=Gone(),
        clock=world.clock,
        telemetry=world.telemetry,
        host_role="hosts",
        life=timedelta(hours=168),
    )
    world.chores = (desk,)
    return world, tray


def ask(tray: FakeTray, instance_id: InstanceId) -> None:
    writer = f"arn:aws:sts::123456789012:assumed-role/hosts/{instance_id}"
    tray.ask(Applicant.HOST, instance_id, csr(new_key()), writer)


def test_hosts_that_wait_to_be_let_in_get_their_certificates_in_the_first_run() -> None:
    world, tray = a_world()
    world.group.advance()
    waiting = world.group.held(Transition.LAUNCHING)
    for instance_id in waiting:
        ask(tray, instance_id)

    world.run()

    assert sorted(tray.certified(Applicant.HOST)) == sorted(waiting)
    assert not tray.asked


def test_what_the_desk_cannot_do_keeps_nobody_from_joining() -> None:
    world, tray = a_world()
    for _ in range(200):
        tray.fail_next("requests")
    world.live(minutes=5)
    assert world.is_as_desired()


def test_a_settled_tick_costs_two_calls_for_certificates() -> None:
    world, tray = a_world()
    world.live(minutes=5)
    tray.calls.clear()

    report = world.run()

    assert report is not None
    assert report.decision == "Settled"
    assert tray.calls == {"requests": 2}


def test_the_certificate_of_an_instance_that_left_is_deleted() -> None:
    world, tray = a_world()
    world.live(minutes=3)
    for instance_id in world.group.in_service():
        ask(tray, instance_id)
    world.live(minutes=1)
    lost = world.group.in_service()[0]
    world.group.lose(lost)

    world.live(minutes=5)

    assert world.is_as_desired()
    assert lost not in tray.certified(Applicant.HOST)
    assert len(tray.certified(Applicant.HOST)) == 2
