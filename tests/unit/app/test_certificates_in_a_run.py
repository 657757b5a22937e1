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
    world.errands = (desk,)
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


def test_a_newcomer_that_asks_while_a_run_waits_for_it_is_answered_soon() -> None:
    world, tray = a_world()
    world.live(minutes=5)
    world.group.lose(world.group.in_service()[0])
    world.group.advance()
    (newcomer,) = world.group.held(Transition.LAUNCHING)
    world.boots[newcomer] = False
    asked_at: list[float] = []
    answered_at: list[float] = []

    def live_on() -> None:
        if not asked_at and world.clock.monotonic() >= began + 3:
            asked_at.append(world.clock.monotonic())
            ask(tray, newcomer)
        if asked_at and not answered_at and newcomer in tray.certified(Applicant.HOST):
            answered_at.append(world.clock.monotonic())
            world.boots[newcomer] = True
        world.let_hosts_act()

    began = world.clock.monotonic()
    world.clock.on_advance = live_on
    world.run()

    assert asked_at
    assert answered_at[0] - asked_at[0] < 0.6  # an eighth of 3 s, and the pause between two looks
    assert world.is_as_desired()


def test_settled_ticks_look_for_requests_each_five_minutes() -> None:
    world, tray = a_world()
    world.live(minutes=10)
    tray.calls.clear()

    world.live(minutes=10)

    assert tray.calls == {"requests": 4}


def test_while_a_member_does_not_answer_each_tick_looks_whether_its_host_asks() -> None:
    world, tray = a_world()
    world.live(minutes=8)
    silent = world.group.in_service()[0]
    world.boots[silent] = False
    world.etcd.stop(silent)
    ask(tray, silent)

    world.run()

    assert silent in tray.certified(Applicant.HOST)


def test_after_an_outage_that_outlasted_all_certificates_hosts_are_answered_and_nobody_is_replaced() -> None:
    world, tray = a_world()
    world.live(minutes=8)
    members = world.group.in_service()
    for silent in members:  # no handshake works, neither among them nor with the controller
        world.boots[silent] = False
        world.etcd.stop(silent)
    world.live(minutes=30)
    for silent in members:
        ask(tray, silent)

    world.run()

    assert tray.certified(Applicant.HOST).keys() == set(members)
    for silent in members:
        world.boots[silent] = True
    world.live(minutes=5)
    assert world.is_as_desired()
    assert world.group.in_service() == members


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
