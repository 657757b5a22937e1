"""How the controller is put together."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import boto3.session
import botocore.session
import pytest

from etcd_aws_cluster.aws.session import new_session
from etcd_aws_cluster.pki.desk import CertificateDesk
from etcd_aws_cluster.settings import Settings
from etcd_aws_cluster.wiring import SystemClock, build, reach
from tests.unit.test_settings import ARN, AUTOMATIC, REQUIRED
from tests.world import RecordingTelemetry


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> tuple[boto3.session.Session, list[str]]:
    """A session, and the services that clients were made for."""
    made: list[str] = []
    session = botocore.session.get_session()
    create_client = session.create_client

    def create_and_note(service_name: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as botocore has it
        made.append(service_name)
        return create_client(service_name, *args, **more)

    monkeypatch.setattr(session, "create_client", create_and_note)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return new_session(session), made


@pytest.mark.parametrize(
    ("more", "clients"),
    [
        ({}, []),
        (AUTOMATIC, []),
        ({"ETCD_PKI": "own", "CONTROLLER_TLS_SOURCE": "ssm:/tls"}, []),
        ({"ETCD_USER_SECRET_ARN": ARN}, []),
        ({"DNS_ZONE_NAME": "example.internal", "DNS_ZONE_ID": "Z1"}, ["route53"]),
    ],
)
def test_building_the_controller_makes_the_clients_that_every_look_needs_and_calls_nobody(
    session: tuple[boto3.session.Session, list[str]], more: dict[str, str], clients: list[str]
) -> None:
    made_by, made = session

    controller = build(Settings.from_environ(REQUIRED | more), made_by)

    assert controller.cluster_name == "etcd"
    # sqs when there is something to put aside, secretsmanager when a certificate is needed
    assert sorted(made) == sorted(["autoscaling", "ec2", "ssm", *clients])


def test_a_cluster_without_tls_does_not_pay_for_the_library_of_certificates() -> None:
    program = f"""
import sys
from etcd_aws_cluster.aws.session import new_session
from etcd_aws_cluster.settings import Settings
from etcd_aws_cluster import handler, wiring
wiring.build(Settings.from_environ({REQUIRED!r}), new_session())
print([name for name in sys.modules if name.startswith(("etcd_aws_cluster.pki", "cryptography"))])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "[]", ran.stderr


def test_a_request_is_announced_to_whoever_answers_it(session: tuple[boto3.session.Session, list[str]]) -> None:
    telemetry = RecordingTelemetry()
    pki = reach(Settings.from_environ(REQUIRED | AUTOMATIC), session[0], telemetry).pki  # type: ignore[arg-type]
    (desk,) = pki.errands
    assert isinstance(desk, CertificateDesk)
    assert pki.announce == desk.announce


def test_the_system_clock_does_not_go_back() -> None:
    clock = SystemClock()
    before, before_epoch = clock.monotonic(), clock.now()

    clock.sleep(0)

    assert clock.monotonic() >= before
    assert clock.now() >= before_epoch
