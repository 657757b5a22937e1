"""Who gets a certificate, and what becomes of a request."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from datetime import timedelta

import pytest
from cryptography import x509

from etcd_aws_cluster.core.certificates import Applicant
from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import Ec2State, Group, Instance, InstanceId
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.core.view import View
from etcd_aws_cluster.pki.authorities import Authorities
from etcd_aws_cluster.pki.certificates import MEMBER_CN, PrivateKey, new_key
from etcd_aws_cluster.pki.desk import MOST_AT_ONCE, CertificateDesk
from tests.builders import ARN, an_instance, iid, ip
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_tray import FakeTray
from tests.pki import FakeVault, authorities, csr
from tests.world import RecordingTelemetry

ROLE = "etcd-MembersRole-1X"
LIFE = timedelta(hours=168)


class FakeStates(dict[InstanceId, Ec2State]):
    """The port InstanceStates."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def states(self, instance_ids: Collection[InstanceId]) -> Mapping[InstanceId, Ec2State]:
        self.asked += 1
        return {i: self.get(i, Ec2State.ABSENT) for i in instance_ids}


class Office:
    """A desk with everything around it; instance ``n`` is in the group unless told otherwise."""

    def __init__(self, *generations: int, vault: FakeVault | None = None) -> None:
        self.clock = FakeClock()
        self.tray = FakeTray()
        self.ec2 = FakeStates()
        self.telemetry = RecordingTelemetry()
        self.vault = vault or FakeVault()
        self.instances: tuple[Instance, ...] = (an_instance(1), an_instance(2))
        self.ca = self.open(*generations)

    def open(self, *generations: int) -> Authorities:
        """Open the desk anew, as in another execution environment."""
        self.ca = authorities(self.vault, *generations, now=self.clock.now)
        self.desk = CertificateDesk(
            authorities=self.ca,
            tray=self.tray,
            ec2=self.ec2,
            clock=self.clock,
            telemetry=self.telemetry,
            host_role=ROLE,
            life=LIFE,
            cluster_names=("{instance_id}.etcd.internal", "etcd.internal"),
        )
        return self.ca

    def look(self) -> None:
        """Tell the desk that somebody asks, and let it see the group as it is now, some seconds after the last time."""
        self.clock.advance(timedelta(seconds=5))
        self.desk.announce()
        self.see()

    def see(self) -> None:
        """Let the desk see the group as it is now; no member answers."""
        group = Group(name="etcd", arn=ARN, desired=3, is_deleting=False, instances=self.instances, elsewhere={})
        self.desk.run(View(observed_at=self.clock.now(), group=group, stored=Stored(record=None)))

    def ask(self, n: int, key: PrivateKey, *, writer: str | None = None) -> None:
        """Have instance ``n`` ask, or have ``writer`` do it in its place."""
        self.tray.ask(Applicant.HOST, iid(n), csr(key), session(iid(n)) if writer is None else writer)

    def certificate(self, name: str, applicant: Applicant = Applicant.HOST) -> x509.Certificate | None:
        """Return what was answered."""
        text = self.tray.certificates.get((applicant, name))
        return x509.load_pem_x509_certificate(text.encode()) if text else None

    @property
    def refused(self) -> int:
        return self.telemetry.counts.get(Metric.CERTIFICATE_REQUESTS_REFUSED, 0)


def session(name: str, role: str = ROLE) -> str:
    return f"arn:aws:sts::123456789012:assumed-role/{role}/{name}"


def test_an_instance_of_the_group_gets_a_certificate_with_the_address_that_ec2_shows() -> None:
    office, key = Office(), new_key()
    office.ask(1, key)

    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.public_key() == key.public_key()
    assert names.get_values_for_type(x509.IPAddress)[0] == ipaddress.ip_address(ip(1))
    assert names.get_values_for_type(x509.DNSName) == [iid(1), "localhost", f"{iid(1)}.etcd.internal", "etcd.internal"]
    assert certificate.not_valid_after_utc.timestamp() == office.clock.now() + LIFE.total_seconds()
    assert not office.tray.is_open(iid(1))
    assert office.telemetry.counts[Metric.CERTIFICATES_ISSUED] == 1


@pytest.mark.parametrize(
    "writer",
    [
        session(iid(2)),
        session(iid(1), "Administrator"),
        session(f"{iid(1)}0"),
        session(f"x/{iid(1)}"),
        f"arn:aws:iam::123456789012:user/{iid(1)}",
        f"arn:aws:iam::123456789012:assumed-role/{ROLE}/{iid(1)}",
        f"arn:aws:sts::123456789012:assumed-role/{ROLE.replace('-', '.')}/{iid(1)}",
        iid(1),
        "",
    ],
)
def test_a_request_that_the_instance_did_not_write_itself_is_refused_counted_and_deleted(writer: str) -> None:
    office = Office()
    office.ask(1, new_key(), writer=writer)

    office.look()

    assert office.certificate(iid(1)) is None
    assert not office.tray.is_open(iid(1))
    assert office.refused == 1
    assert "not by the instance" in office.telemetry.troubles[0]


def test_who_writes_over_a_request_of_another_host_does_not_keep_it_from_being_answered() -> None:
    office, earlier, asked, mallorys = Office(), new_key(), new_key(), new_key()
    office.ask(1, earlier)
    office.ask(1, asked)
    office.ask(1, mallorys, writer=session(iid(2)))
    office.ask(1, mallorys, writer=session("mallory", "Administrator"))

    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    assert certificate.public_key() == asked.public_key()
    assert not office.tray.is_open(iid(1))
    assert office.refused == 1
    assert "version 4 was written by" in office.telemetry.troubles[0]


def test_of_many_requests_a_look_takes_its_own_hosts_and_a_few_of_the_rest_and_the_next_one_goes_on() -> None:
    office, key = Office(), new_key()
    names = [f"client-{n:03d}" for n in range(3 * MOST_AT_ONCE)]
    for n in range(100, 100 + 3 * MOST_AT_ONCE):
        office.ask(n, new_key(), writer=session(iid(2)))
    office.ask(1, key)
    for name in names:
        office.tray.ask(Applicant.CLIENT, name, csr(key))

    office.look()
    assert office.certificate(iid(1)) is not None
    assert office.tray.calls["withdraw"] == 1 + 2 * MOST_AT_ONCE
    assert len(office.tray.certified(Applicant.CLIENT)) == MOST_AT_ONCE

    office.see()
    office.see()
    assert sorted(office.tray.certified(Applicant.CLIENT)) == names
    assert not office.tray.asked


def test_whose_request_was_refused_can_ask_again() -> None:
    office, key = Office(), new_key()
    office.ask(1, new_key(), writer="")
    office.look()
    office.ask(1, key)

    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    assert certificate.public_key() == key.public_key()


def test_a_request_that_is_no_csr_is_refused() -> None:
    office = Office()
    office.tray.ask(Applicant.HOST, iid(1), "hello", session(iid(1)))

    office.look()

    assert office.certificate(iid(1)) is None
    assert not office.tray.is_open(iid(1))
    assert office.refused == 1
    assert f"certificate-requests/{iid(1)}: the request is not a CSR" in office.telemetry.troubles[0]


def test_a_request_that_no_library_knows_what_to_do_with_is_refused_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office, key = Office(), new_key()
    office.tray.ask(Applicant.CLIENT, "mallory", "odd", "")
    office.tray.ask(Applicant.CLIENT, "backup", csr(key), "")
    load = x509.load_pem_x509_csr

    def choke(data: bytes) -> x509.CertificateSigningRequest:
        if data == b"odd":
            raise LookupError("what is that?")
        return load(data)

    monkeypatch.setattr(x509, "load_pem_x509_csr", choke)
    office.look()

    assert not office.tray.asked
    assert office.refused == 1
    assert office.certificate("backup", Applicant.CLIENT) is not None


def test_an_instance_whose_address_is_not_known_yet_waits_for_the_next_look() -> None:
    office = Office()
    office.instances = (an_instance(1, address=None),)
    office.ask(1, new_key())

    office.look()
    assert office.tray.is_open(iid(1))
    assert office.certificate(iid(1)) is None

    office.instances = (an_instance(1),)
    office.look()
    assert office.certificate(iid(1)) is not None


def test_an_instance_that_is_not_in_the_group_gets_nothing_until_it_is() -> None:
    office = Office()
    office.ec2[iid(3)] = Ec2State.RUNNING
    office.ask(3, new_key())

    office.look()
    assert office.certificate(iid(3)) is None
    assert office.tray.is_open(iid(3))
    assert office.refused == 0

    office.instances += (an_instance(3),)
    office.look()
    assert office.certificate(iid(3)) is not None


def test_an_instance_that_is_ending_gets_nothing() -> None:
    office = Office()
    office.instances = (an_instance(1, ec2="shutting-down"),)
    office.ask(1, new_key())
    office.look()
    assert office.certificate(iid(1)) is None


@pytest.mark.parametrize("state", [Ec2State.TERMINATED, Ec2State.ABSENT])
def test_what_instances_that_are_gone_left_behind_is_deleted(state: Ec2State) -> None:
    office = Office()
    office.tray.certificates[Applicant.HOST, iid(3)] = "old"
    office.ask(3, new_key())
    office.ec2[iid(3)] = state

    office.look()

    assert not office.tray.is_open(iid(3))
    assert office.certificate(iid(3)) is None


@pytest.mark.parametrize("state", [Ec2State.RUNNING, Ec2State.STOPPED, Ec2State.SHUTTING_DOWN, Ec2State.UNKNOWN])
def test_what_may_still_be_needed_is_left_though_the_group_does_not_list_its_owner(state: Ec2State) -> None:
    office = Office()
    office.tray.certificates[Applicant.HOST, iid(3)] = "old"
    office.ec2[iid(3)] = state
    office.look()
    assert (Applicant.HOST, iid(3)) in office.tray.certificates


@pytest.mark.parametrize("name", ["root", "i-", "i-0123*", "i-" + "0" * 500])
def test_a_request_under_a_name_that_is_no_instance_is_deleted(name: str) -> None:
    office = Office()
    office.tray.ask(Applicant.HOST, name, csr(new_key()), session(name))
    office.look()
    assert not office.tray.is_open(name)
    assert office.certificate(name) is None
    assert office.ec2.asked == 0


def test_asking_again_soon_with_the_same_key_gets_the_same_answer() -> None:
    office, key = Office(), new_key()
    office.ask(1, key)
    office.look()
    first = office.certificate(iid(1))
    office.ask(1, key)

    office.look()

    assert office.certificate(iid(1)) == first
    assert not office.tray.is_open(iid(1))


def test_past_half_of_its_life_or_with_another_key_a_certificate_is_made_anew() -> None:
    office, key = Office(), new_key()
    office.ask(1, key)
    office.look()
    first = office.certificate(iid(1))
    office.clock.advance(LIFE / 2)
    office.ask(1, key)
    office.look()
    second = office.certificate(iid(1))
    office.ask(1, new_key())
    office.look()
    third = office.certificate(iid(1))

    assert len({first, second, third}) == 3


def test_after_the_signing_generation_changed_a_new_one_is_issued() -> None:
    office, key = Office(1), new_key()
    office.ask(1, key)
    office.look()
    office.open(2, 1)
    office.ask(1, key)

    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    certificate.verify_directly_issued_by(office.ca.signing().certificate)
    assert office.tray.bundle == office.ca.bundle()
    assert office.tray.bundle.count("BEGIN CERTIFICATE") == 2


def test_a_request_that_comes_between_answer_and_deletion_is_not_lost() -> None:
    office, late = Office(), new_key()
    office.ask(1, new_key())

    def interfere() -> None:
        office.tray.before_withdrawal = lambda: None
        office.ask(1, late)

    office.tray.before_withdrawal = interfere
    office.look()
    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    assert certificate.public_key() == late.public_key()


def test_a_client_gets_a_clients_certificate_for_whoever_may_write_there() -> None:
    office, key = Office(), new_key()
    office.tray.ask(Applicant.CLIENT, "backup", csr(key))

    office.look()

    certificate = office.certificate("backup", Applicant.CLIENT)
    assert certificate is not None
    assert certificate.subject.rfc4514_string() == "CN=backup"
    assert not office.tray.is_open("backup", Applicant.CLIENT)


@pytest.mark.parametrize("name", ["a" * 65, "a,b", "ü", MEMBER_CN])
def test_a_client_with_an_impossible_name_is_refused(name: str) -> None:
    office = Office()
    office.tray.ask(Applicant.CLIENT, name, csr(new_key()))
    office.look()
    assert office.certificate(name, Applicant.CLIENT) is None
    assert office.refused == 1


def test_the_bundle_is_published_at_the_first_look_and_put_right_within_the_hour() -> None:
    office = Office()
    office.look()
    assert office.tray.bundle == office.ca.bundle()

    office.tray.bundle = "somebody's"
    office.look()
    office.clock.advance(timedelta(hours=1))
    office.look()

    assert office.tray.bundle == office.ca.bundle()
    assert office.tray.calls["write_bundle"] == 2


def test_a_look_at_nothing_new_costs_two_calls() -> None:
    office = Office()
    office.ask(1, new_key())
    office.look()
    office.tray.calls.clear()

    office.look()

    assert office.tray.calls == {"requests": 2}
    assert office.ec2.asked == 0


def test_a_host_that_may_wait_is_looked_for_alone_and_not_before_its_pause_is_over() -> None:
    office = Office()
    office.look()
    office.tray.calls.clear()

    office.see()
    assert not office.tray.calls

    office.clock.advance(timedelta(seconds=2))
    office.see()
    assert office.tray.calls == {"requests": 1}


def test_what_ec2_says_of_a_stranger_is_asked_once_for_each_look_at_the_group() -> None:
    office = Office()
    office.ec2[iid(3)] = Ec2State.RUNNING
    office.ask(3, new_key())
    office.look()
    group = Group(name="etcd", arn=ARN, desired=3, is_deleting=False, instances=office.instances, elsewhere={})
    view = View(observed_at=office.clock.now(), group=group, stored=Stored(record=None))
    for _ in range(3):
        office.clock.advance(timedelta(seconds=2))
        office.desk.run(view)
    assert office.tray.calls["requests"] == 5
    assert office.ec2.asked == 2


def test_after_a_failure_aws_is_left_alone_for_a_while_and_then_all_is_looked_for() -> None:
    office = Office()
    office.look()
    office.ask(1, new_key())
    office.tray.fail_next("versions")
    with pytest.raises(AwsError):
        office.look()
    office.tray.calls.clear()

    office.clock.advance(timedelta(seconds=1))
    office.see()
    assert not office.tray.calls

    office.clock.advance(timedelta(seconds=1))
    office.see()
    assert office.tray.calls["requests"] == 2
    assert office.certificate(iid(1)) is not None


@pytest.mark.parametrize(
    "call", ["read_bundle", "requests", "versions", "read_certificate", "write_certificate", "withdraw"]
)
@pytest.mark.parametrize("after_applying", [False, True])
def test_a_call_that_fails_holds_up_nobody_else_and_is_made_up_for_at_the_next_look(
    call: str, *, after_applying: bool
) -> None:
    office, keys = Office(), (new_key(), new_key())
    for n, key in enumerate(keys, start=1):
        office.ask(n, key)
    office.tray.ask(Applicant.CLIENT, "backup", csr(new_key()))
    office.tray.fail_next(call, after_applying=after_applying)

    with pytest.raises(AwsError):
        office.look()
    assert office.certificate("backup", Applicant.CLIENT) is not None
    office.look()

    assert office.tray.bundle == office.ca.bundle()
    assert not office.tray.asked
    for n, key in enumerate(keys, start=1):
        certificate = office.certificate(iid(n))
        assert certificate is not None
        assert certificate.public_key() == key.public_key()


def test_an_aws_that_fails_time_after_time_is_not_asked_on_behalf_of_everybody() -> None:
    office = Office()
    office.instances = tuple(an_instance(n) for n in range(1, 10))
    for n in range(1, 10):
        office.ask(n, new_key())
        office.tray.fail_next("versions")
    with pytest.raises(AwsError):
        office.look()
    assert office.tray.calls["versions"] == 2


def test_two_controllers_may_answer_the_same_request_at_once() -> None:
    office, key = Office(), new_key()
    other = Office(vault=office.vault)
    other.tray = office.tray
    other.open()
    office.ask(1, key)

    def both() -> None:
        office.tray.before_withdrawal = lambda: None
        other.look()

    office.tray.before_withdrawal = both
    office.look()

    certificate = office.certificate(iid(1))
    assert certificate is not None
    assert certificate.public_key() == key.public_key()
    assert office.ca.bundle() == other.ca.bundle() == office.tray.bundle


def test_without_the_ca_nobody_is_refused_and_nothing_is_deleted() -> None:
    office = Office(vault=FakeVault(problem=AwsError("AccessDenied")))
    office.ask(1, new_key())
    with pytest.raises(AwsError, match="AccessDenied"):
        office.look()
    assert office.tray.is_open(iid(1))
    assert office.refused == 0
