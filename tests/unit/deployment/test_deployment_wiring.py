"""How the second function is put together, and how it goes on after its time."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from etcd_aws_cluster.aws.session import new_session
from etcd_aws_cluster.deployment.rollout import Rollout
from etcd_aws_cluster.deployment.wiring import build
from etcd_aws_cluster.settings import Settings
from tests.unit.test_settings import AUTOMATIC, REQUIRED


@pytest.mark.parametrize("tls", [{}, AUTOMATIC])
def test_building_it_calls_nobody_and_it_goes_on_by_calling_itself_with_the_same_event(
    monkeypatch: pytest.MonkeyPatch, tls: dict[str, str]
) -> None:
    base = botocore.session.get_session()
    base.set_credentials("test", "test")
    base.set_config_variable("region", "eu-west-1")
    session = new_session(base)
    client = session.client("lambda")
    made: list[str] = []
    create_client = session.client

    def create(name: str, **more: Any) -> Any:  # noqa: ANN401 - any client
        made.append(name)
        return client if name == "lambda" else create_client(name, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(session, "client", create)
    parts = build(Settings.from_environ(REQUIRED | tls), session, "me")
    assert isinstance(parts.rollout(60), Rollout)
    assert sorted(set(made)) == ["autoscaling", "ec2", "ssm"]

    event = {"RequestType": "Update"}
    with Stubber(client) as stubber:
        stubber.add_response(
            "invoke",
            {"StatusCode": 202},
            {"FunctionName": "me", "InvocationType": "Event", "Payload": json.dumps(event)},
        )
        parts.call_again(event)
        stubber.assert_no_pending_responses()
