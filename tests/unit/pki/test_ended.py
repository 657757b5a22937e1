"""What becomes of clients' certificates that ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etcd_aws_cluster.core.certificates import Applicant
from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.pki.certificates import Subject, new_key, pem
from etcd_aws_cluster.pki.ended import KEPT_FOR, EndedCertificates
from tests.builders import a_view, an_instance
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_tray import FakeTray
from tests.pki import authorities
from tests.world import RecordingTelemetry

LIFE = timedelta(hours=1)
HOUR = timedelta(hours=1)
VIEW = a_view([an_instance(1)])


class Archive:
    """Parameters of clients, and who tidies them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.tray = FakeTray()
        self.telemetry = RecordingTelemetry()
        self.ca = authorities(now=self.clock.now)
        self.chore = EndedCertificates(tray=self.tray, clock=self.clock, telemetry=self.telemetry)

    def certify(self, name: str, applicant: Applicant = Applicant.CLIENT) -> None:
        """Answer as the desk does, now."""
        key = new_key().public_key()
        issued = self.ca.signing().issue(Subject(name=name), key, life=LIFE, now=self.clock.now())
        self.tray.certificates[applicant, name] = pem(issued)

    def names(self) -> set[str]:
        return {name for _, name in self.tray.certificates}


def test_a_week_after_its_end_a_clients_certificate_is_deleted_and_not_before() -> None:
    archive = Archive()
    archive.certify("left")

    archive.clock.advance(LIFE + KEPT_FOR - timedelta(seconds=1))
    archive.certify("renewed")
    archive.chore.tidy()
    assert archive.names() == {"left", "renewed"}

    archive.clock.advance(timedelta(seconds=1))
    archive.chore.tidy()
    assert archive.names() == {"renewed"}


def test_hosts_certificates_and_what_is_none_are_left_alone() -> None:
    archive = Archive()
    archive.certify("i-0a", Applicant.HOST)
    archive.tray.certificates[Applicant.CLIENT, "note"] = "somebody's"
    archive.clock.advance(LIFE + 2 * KEPT_FOR)

    archive.chore.tidy()

    assert archive.names() == {"i-0a", "note"}


def test_one_that_was_answered_anew_since_it_was_listed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive()
    archive.certify("back")
    archive.clock.advance(LIFE + KEPT_FOR)
    listed = archive.tray.certified(Applicant.CLIENT)
    archive.certify("back")
    monkeypatch.setattr(archive.tray, "certified", lambda _applicant: listed)

    archive.chore.tidy()

    assert archive.names() == {"back"}


def test_it_is_looked_at_by_the_hour_and_a_failure_is_made_up_for_in_the_next() -> None:
    archive = Archive()
    archive.certify("left")
    archive.clock.advance(LIFE + KEPT_FOR)  # which is more than an hour
    archive.tray.fail_next("certified")
    with pytest.raises(AwsError):
        archive.chore.run(VIEW)
    archive.chore.run(VIEW)
    assert archive.names() == {"left"}

    archive.clock.advance(HOUR)
    archive.chore.run(VIEW)

    assert archive.names() == set()


def test_no_call_is_made_in_the_first_hour_when_hosts_may_be_waiting() -> None:
    archive = Archive()
    archive.clock.advance(HOUR - timedelta(seconds=1))
    archive.chore.run(VIEW)
    assert not archive.tray.calls


def test_many_are_deleted_over_some_hours() -> None:
    archive = Archive()
    for number in range(50):
        archive.certify(f"left-{number}")
    archive.clock.advance(LIFE + KEPT_FOR)
    left = []
    for _ in range(3):
        archive.chore.tidy()
        left.append(len(archive.names()))
    assert left == [30, 10, 0]
