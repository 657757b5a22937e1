"""When requests for certificates are looked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.certificates import Applicant
from etcd_aws_cluster.core.view import View
from etcd_aws_cluster.pki.rounds import SETTLED, Rounds, pause_for
from tests.builders import NOW, a_view, an_instance, ip
from tests.fakes.fake_clock import FakeClock

LONGEST = timedelta(seconds=2)
ALL = frozenset(Applicant)
HOSTS = frozenset({Applicant.HOST})
QUOTA_PER_S = 40
NOBODY = frozenset[Applicant]()


class Watch:
    """Rounds and their clock; what is due is looked for at once."""

    def __init__(self) -> None:
        self.clock = FakeClock(now=NOW)
        self.rounds = Rounds(clock=self.clock, longest=LONGEST)

    def due(self, view: View) -> frozenset[Applicant]:
        due = self.rounds.due(replace(view, observed_at=self.clock.now()))
        if due:
            self.rounds.looked(due)
        return due

    def after(self, seconds: float, view: View) -> frozenset[Applicant]:
        self.clock.advance(timedelta(seconds=seconds))
        return self.due(view)


def newcomer(age_s: float) -> View:
    """Return three voters, and a fourth instance that launches and does not answer."""
    instances = (*(an_instance(n) for n in (1, 2, 3)), an_instance(4, "Pending:Wait", age_s=age_s))
    return a_view(instances)


@pytest.mark.parametrize(
    ("age_s", "pause_s"), [(-1.0, 0.2), (0.0, 0.2), (1.6, 0.2), (8.0, 1.0), (16.0, 2.0), (900.0, 2.0)]
)
def test_while_a_newcomer_boots_a_look_is_good_for_a_small_part_of_its_wait(age_s: float, pause_s: float) -> None:
    assert pause_for(newcomer(age_s), longest=LONGEST) == timedelta(seconds=pause_s)


def test_the_youngest_that_does_not_answer_decides() -> None:
    instances = (an_instance(1, "Pending:Wait", age_s=100), an_instance(2, "Pending", age_s=8))
    assert pause_for(a_view(instances, readings=()), longest=LONGEST) == timedelta(seconds=1)


def test_a_pause_that_is_set_to_less_than_the_shortest_holds() -> None:
    assert pause_for(newcomer(0.0), longest=timedelta(seconds=0.1)) == timedelta(seconds=0.1)


def test_who_answers_has_its_certificate() -> None:
    assert pause_for(a_view(), longest=LONGEST) is None


def test_who_may_still_answer_is_not_taken_for_silent() -> None:
    asked = replace(a_view(readings=()), asked=frozenset(f"https://{ip(n)}:2379" for n in (1, 2, 3)))
    assert pause_for(asked, longest=LONGEST) is None


def test_a_member_in_service_that_does_not_answer_may_have_booted_anew() -> None:
    assert pause_for(a_view(silent=[2]), longest=LONGEST) == LONGEST


@pytest.mark.parametrize(
    "instance",
    [
        an_instance(4, "Terminating:Wait"),
        an_instance(4, "Warmed:Stopped"),
        an_instance(4, ec2="shutting-down"),
        an_instance(4, "Pending", address=None),
    ],
)
def test_who_goes_or_cannot_be_answered_yet_is_not_waited_for(instance: object) -> None:
    instances = [*(an_instance(n) for n in (1, 2, 3)), instance]
    assert pause_for(a_view(instances), longest=LONGEST) is None  # type: ignore[arg-type]


def test_the_first_look_is_at_all_and_then_each_five_minutes_where_all_answer() -> None:
    watch, settled = Watch(), a_view()
    assert watch.due(settled) == ALL
    assert [watch.after(60, settled) for _ in range(5)] == [NOBODY] * 4 + [ALL]
    assert timedelta(minutes=5) == SETTLED


def test_an_announcement_makes_all_due_once() -> None:
    watch, settled = Watch(), a_view()
    watch.due(settled)
    watch.rounds.announce()
    assert watch.after(0, settled) == ALL
    assert watch.after(0, settled) == NOBODY


def test_while_a_host_may_wait_clients_are_looked_for_too_but_less_often() -> None:
    watch, booting = Watch(), newcomer(900.0)
    assert watch.due(booting) == ALL
    assert [watch.after(2, booting) for _ in range(10)] == [*[HOSTS] * 4, ALL] * 2


def test_what_failed_stays_due_and_waits_for_the_longest_pause() -> None:
    watch, booting = Watch(), newcomer(0.0)
    assert watch.rounds.due(booting) == ALL
    watch.rounds.failed()
    assert watch.after(1.9, booting) == NOBODY
    assert watch.after(0.1, booting) == ALL


def test_what_failed_is_tried_again_in_the_next_tick_however_seldom_aws_is_to_be_looked_at() -> None:
    clock = FakeClock(now=NOW)
    rounds = Rounds(clock=clock, longest=timedelta(seconds=60))
    rounds.failed()
    clock.advance(timedelta(seconds=59))
    assert rounds.due(a_view()) == ALL


def test_a_host_that_boots_for_a_minute_costs_few_reads_and_twenty_clusters_leave_half_of_the_quota() -> None:
    watch, launched = Watch(), newcomer(0.0)
    reads = [(second / 10, len(watch.after(0.1, launched))) for second in range(1, 601)]
    assert sum(n for _, n in reads) < 60  # what a look each 2 s at both would cost
    # Sooner no instance of EC2 has come to its launch hook.
    in_ten_s = sum(n for at, n in reads if 8 <= at < 18)
    assert 20 * in_ten_s / 10 <= QUOTA_PER_S / 2
