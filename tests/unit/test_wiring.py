"""How the controller is put together."""

from __future__ import annotations

from typing import Any

import boto3.session
import botocore.session
import pytest

from etcd_aws_cluster.settings import Settings
from etcd_aws_cluster.wiring import SystemClock, build
from tests.unit.test_settings import REQUIRED


@pytest.mark.parametrize(
    ("more", "clients"),
    [
        ({}, []),
        ({"DNS_ZONE_ID": "Z0123456789ABC", "DNS_ZONE_NAME": "example.internal"}, ["route53"]),
    ],
    ids=["plain", "with names"],
)
def test_building_the_controller_makes_the_clients_it_needs_and_calls_nobody(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], clients: list[str]
) -> None:
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

    controller = build(Settings.from_environ(REQUIRED | more), boto3.session.Session(botocore_session=session))

    assert controller.cluster_name == "etcd"
    assert sorted(made) == sorted(["autoscaling", "ec2", "ssm", *clients])  # sqs when there is something to put aside


def test_the_system_clock_does_not_go_back() -> None:
    clock = SystemClock()
    before, before_epoch = clock.monotonic(), clock.now()

    clock.sleep(0)

    assert clock.monotonic() >= before
    assert clock.now() >= before_epoch
