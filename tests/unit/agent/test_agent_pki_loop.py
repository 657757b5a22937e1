"""What is done about certificates, and when: with a clock of our own and real files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from etcd_aws_agent.certificate import Material, check
from etcd_aws_agent.errors import DeniedError, ExitCode, MaterialError, NoMaterialError, OpensslError, UnavailableError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.pki import RENEWAL_PATIENCE_S, Certificates
from etcd_aws_agent.pki_automatic import ControllerAsCa
from etcd_aws_agent.pki_files import PkiFiles
from tests.unit.agent.authority import HOUR_S, Authority
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE
from tests.unit.agent.fake_pki import ANSWER, BUNDLE, REQUEST

ME = Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Parameters:
    """Parameter Store, and a controller that answers at once if it has a CA."""

    ca: Authority | None
    values: dict[str, str] = field(default_factory=dict)
    life: dict[str, float] = field(default_factory=dict)
    is_down: bool = False
    refuses_puts: bool = False
    asked_at: list[float] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def get(self, name: str) -> str | None:
        if self.is_down:
            raise UnavailableError("down")
        return self.values.get(name)

    def put(self, name: str, value: str) -> None:
        if self.is_down:
            raise UnavailableError("down")
        if self.refuses_puts:
            raise DeniedError("ssm:PutParameter: AccessDenied")
        self.asked_at.append(self.clock.now)
        self.values[name] = value
        if self.ca:
            self.values[ANSWER] = self.ca.answer(value, (ADDRESS,), **self.life)


@dataclass
class World:
    """One host, whose agent starts as often as wanted."""

    directory: Path
    parameters: Parameters
    later_s: float = 0.0
    logged: list[str] = field(default_factory=list)

    def certificates(self, deadline_s: float | None = 3600.0) -> Certificates:
        files, clock = PkiFiles(self.directory, "nobody-of-this-name"), self.parameters.clock
        source = ControllerAsCa(
            cluster_name="etcd",
            identity=ME,
            parameters=self.parameters,
            files=files,
            renew_at=0.5,
            clock=clock,
            now=lambda: time.time() + self.later_s,
            log=self.log,
        )
        return Certificates(source=source, files=files, clock=clock, log=self.log, deadline_s=deadline_s)

    def log(self, event: str, **fields: object) -> None:
        self.logged.append(f"{event}: {fields.get('reason')}")

    def texts(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.directory.iterdir())}

    def fits(self) -> None:
        check(Material(*(self.texts()[name] for name in ("ca.crt", "host.crt", "host.key"))), ADDRESS)

    def waited_s(self, run: Callable[[], ExitCode]) -> tuple[ExitCode, float]:
        began = self.parameters.clock.now
        return run(), self.parameters.clock.now - began


@pytest.fixture
def ca() -> Authority:
    return Authority()


@pytest.fixture
def world(tmp_path: Path, ca: Authority) -> World:
    return World(tmp_path / "pki", Parameters(ca, {BUNDLE: ca.pem}))


@pytest.fixture
def running(world: World) -> World:
    """A host that has its certificate."""
    assert world.certificates().obtain() is ExitCode.OK
    world.parameters.asked_at.clear()
    return world


def test_with_aws_down_a_certificate_that_is_valid_is_kept_after_the_same_patience_as_for_the_record(
    running: World,
) -> None:
    before = running.texts()
    running.parameters.is_down = True

    code, waited_s = running.waited_s(running.certificates().obtain)

    assert code is ExitCode.OK
    assert 10 <= waited_s < 45
    assert running.texts() == before


def test_with_aws_down_and_no_certificate_that_is_valid_there_is_none(world: World) -> None:
    world.parameters.life = {"since_s": -2 * HOUR_S, "until_s": -HOUR_S}
    world.parameters.is_down = True

    code, waited_s = world.waited_s(world.certificates(300).obtain)

    assert code is ExitCode.CERTIFICATE_NOT_IN_TIME
    assert round(waited_s) == 300


def test_the_lost_parameters_of_a_valid_certificate_do_not_hold_up_a_start(running: World) -> None:
    running.parameters.values.clear()
    running.parameters.ca = None

    code, waited_s = running.waited_s(running.certificates().obtain)

    assert code is ExitCode.OK
    assert waited_s < 15
    running.fits()


def test_who_waits_asks_again_ever_more_seldom(world: World) -> None:
    world.parameters.ca = None

    assert world.certificates().obtain() is ExitCode.CERTIFICATE_NOT_IN_TIME

    asked = world.parameters.asked_at
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert 30 <= pauses[0] <= 61.5
    assert max(pauses) <= 606
    assert 6 <= len(asked) <= 16
    assert len({world.parameters.values[REQUEST]}) == 1


def test_an_answer_to_the_old_key_is_no_answer(running: World) -> None:
    old = running.parameters.values[ANSWER]
    (running.directory / "host.key").unlink()

    assert running.certificates().obtain() is ExitCode.OK

    assert running.texts()["host.crt"] != old
    running.fits()


@pytest.mark.parametrize("name", ["ca.crt", "host.crt", "host.key"])
@pytest.mark.parametrize("text", ["", "garbage", None])
def test_whatever_is_broken_or_gone_on_the_disk_is_made_good(running: World, name: str, text: str | None) -> None:
    path = running.directory / name
    path.unlink() if text is None else path.write_text(text)

    assert running.certificates().obtain() is ExitCode.OK

    running.fits()
    # What is only a copy needs no request.
    assert len(running.parameters.asked_at) == (1 if name == "host.key" else 0)


def test_past_half_of_its_life_a_start_asks_for_another_certificate_with_the_same_key(running: World) -> None:
    before = running.texts()
    running.later_s = 5 * HOUR_S
    running.parameters.life = {"until_s": 20 * HOUR_S}

    assert running.certificates().obtain() is ExitCode.OK

    after = running.texts()
    assert {name for name in after if after[name] != before[name]} == {"host.crt"}


def test_a_start_waits_only_a_moment_for_a_renewal(running: World) -> None:
    running.later_s = 5 * HOUR_S
    running.parameters.ca = None

    code, waited_s = running.waited_s(running.certificates().obtain)

    assert code is ExitCode.OK
    assert waited_s < 15
    assert len(running.parameters.asked_at) == 1


def test_a_renewal_that_is_not_due_changes_nothing_and_asks_nobody(running: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in running.directory.iterdir()}

    assert running.certificates().renew() is ExitCode.OK

    assert {path: path.stat().st_mtime_ns for path in running.directory.iterdir()} == before
    assert running.parameters.asked_at == []


def test_a_renewal_that_is_due_changes_exactly_one_file(running: World) -> None:
    before = running.texts()
    running.later_s = 5 * HOUR_S
    running.parameters.life = {"until_s": 20 * HOUR_S}

    assert running.certificates().renew() is ExitCode.OK

    after = running.texts()
    assert {name for name in after if after[name] != before[name]} == {"host.crt"}
    running.fits()


def test_a_renewal_without_an_answer_ends_and_the_next_one_takes_it_without_asking(
    running: World, ca: Authority
) -> None:
    before = running.texts()
    running.later_s = 5 * HOUR_S
    running.parameters.ca = None

    code, waited_s = running.waited_s(running.certificates().renew)

    assert code is ExitCode.CERTIFICATE_NOT_IN_TIME
    assert round(waited_s) == RENEWAL_PATIENCE_S
    assert running.texts() == before
    running.parameters.values[ANSWER] = ca.answer(running.parameters.values[REQUEST], (ADDRESS,), until_s=20 * HOUR_S)
    running.parameters.asked_at.clear()
    assert running.certificates().renew() is ExitCode.OK
    assert running.texts()["host.crt"] == running.parameters.values[ANSWER]
    assert running.parameters.asked_at == []


def test_a_renewal_with_aws_down_ends_with_its_code_and_changes_nothing(running: World) -> None:
    before = running.texts()
    running.parameters.is_down = True

    assert running.certificates().renew() is ExitCode.CERTIFICATE_NOT_IN_TIME
    assert running.texts() == before


def test_a_request_that_is_refused_is_said(running: World) -> None:
    running.later_s = 5 * HOUR_S
    running.parameters.refuses_puts = True

    assert running.certificates().renew() is ExitCode.CERTIFICATE_NOT_IN_TIME
    assert "waiting: ssm:PutParameter: AccessDenied" in running.logged


def test_another_signing_ca_has_certificates_renewed_and_the_bundle_written(running: World, ca: Authority) -> None:
    new = Authority("new")
    running.parameters.ca = new
    running.parameters.values[BUNDLE] = new.pem + ca.pem

    assert running.certificates().renew() is ExitCode.OK

    assert running.texts()["ca.crt"] == new.pem + ca.pem
    assert running.texts()["host.crt"] == running.parameters.values[ANSWER]
    assert len(running.parameters.asked_at) == 1
    assert "note: ca.crt is new: etcd reads it when it starts, and not before" in running.logged


def test_a_trusted_ca_that_does_not_sign_only_has_the_bundle_written(running: World, ca: Authority) -> None:
    before = running.texts()
    running.parameters.values[BUNDLE] = ca.pem + Authority("new").pem

    assert running.certificates().renew() is ExitCode.OK

    after = running.texts()
    assert {name for name in after if after[name] != before[name]} == {"ca.crt"}
    assert running.parameters.asked_at == []


def test_a_certificate_of_a_ca_that_nobody_trusts_any_more_holds_up_a_start(running: World) -> None:
    running.parameters.values[BUNDLE] = Authority("new").pem
    running.parameters.ca = None

    assert running.certificates(30).obtain() is ExitCode.CERTIFICATE_NOT_IN_TIME


@pytest.mark.parametrize("bundle", ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_corrupt_bundle_replaces_nothing(running: World, bundle: str) -> None:
    before = running.texts()
    running.parameters.values[BUNDLE] = bundle

    assert running.certificates(5).renew() is ExitCode.CERTIFICATE_NOT_IN_TIME

    assert running.texts() == before


@pytest.mark.parametrize("name", ["ca.crt", "host.crt", "host.key"])
def test_where_there_is_no_material_there_is_no_renewal(running: World, name: str) -> None:
    (running.directory / name).unlink()
    before = running.texts()

    with pytest.raises(NoMaterialError, match=f"no {name} in"):
        running.certificates().renew()

    assert running.texts() == before


def test_a_renewal_never_replaces_a_key(running: World) -> None:
    (running.directory / "host.key").write_text("garbage")

    with pytest.raises(OpensslError, match="openssl req"):
        running.certificates().renew()

    assert running.texts()["host.key"] == "garbage"


def test_without_openssl_nothing_can_be_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OpensslError, match="the openssl command is not installed"):
        world.certificates().obtain()


def test_without_openssl_a_certificate_that_still_works_is_kept(
    running: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running.later_s = 5 * HOUR_S
    monkeypatch.setenv("PATH", str(tmp_path))

    assert running.certificates().obtain() is ExitCode.OK

    assert "waiting: the openssl command is not installed; ETCD_PKI=automatic needs it" in running.logged


@pytest.mark.parametrize(("said", "script"), [("ended with 3", "exit 3"), ("no PRIVATE KEY", "echo hello")])
def test_an_openssl_that_fails_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, script: str
) -> None:
    command = tmp_path / "openssl"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OpensslError, match=said):
        world.certificates().obtain()
    assert not world.directory.exists()


def test_material_never_shows_its_key() -> None:
    material = Material("ca", "certificate", "secret")

    assert "secret" not in repr(material)
    with pytest.raises(MaterialError) as caught:
        check(Material(Authority().pem, "x", "secret"), ADDRESS)
    assert "secret" not in str(caught.value)
