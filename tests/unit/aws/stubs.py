"""The function's clients with scripted answers: botocore checks every parameter and answer against AWS's own model.

They know only the operations that the bundle has models of: a call of any other fails here, too.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3.session
import botocore.loaders
import botocore.session
from botocore.stub import Stubber

from etcd_aws_cluster.aws.session import new_session
from infra.service_models import write_models

OPERATIONS = json.loads((Path(__file__).parents[3] / "lambda_src" / "aws_operations.json").read_text(encoding="utf-8"))


def _session() -> boto3.session.Session:
    folder = tempfile.TemporaryDirectory(prefix="models-")
    atexit.register(folder.cleanup)
    models = Path(folder.name)
    write_models(Path(botocore.loaders.Loader.BUILTIN_DATA_PATH), OPERATIONS, models)
    base = botocore.session.Session()
    base.set_credentials("test", "test")
    base.set_config_variable("region", "eu-west-1")
    return new_session(base, models)


SESSION = _session()

ARN = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0f2c8e9a:autoScalingGroupName/etcd"


@contextmanager
def scripted(client: Any) -> Iterator[Stubber]:  # noqa: ANN401 - any client
    """Script a client's answers; in the end all of them must have been asked for."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def asg_instance(instance_id: str, state: str = "InService", *, health: str = "Healthy") -> dict[str, Any]:
    """Return an instance as DescribeAutoScalingGroups shows it."""
    return {
        "InstanceId": instance_id,
        "InstanceType": "t3.small",
        "AvailabilityZone": "eu-west-1a",
        "LifecycleState": state,
        "HealthStatus": health,
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "etcd", "Version": "1"},
        "ProtectedFromScaleIn": False,
    }


def asg(*instances: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return DescribeAutoScalingGroups' answer."""
    group = {
        "AutoScalingGroupName": "etcd",
        "AutoScalingGroupARN": ARN,
        "MinSize": 0,
        "MaxSize": 9,
        "DesiredCapacity": 3,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["eu-west-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": datetime(2024, 1, 1, tzinfo=UTC),
        "Instances": list(instances),
    }
    return {"AutoScalingGroups": [group | more]}


def ec2_instance(instance_id: str, ip: str | None, state: str = "running", *, minute: int = 0) -> dict[str, Any]:
    """Return an instance as DescribeInstances shows it, launched at that minute."""
    instance: dict[str, Any] = {
        "InstanceId": instance_id,
        "State": {"Code": 16, "Name": state},
        "LaunchTime": datetime(2024, 1, 1, 0, minute, tzinfo=UTC),
    }
    return instance if ip is None else instance | {"PrivateIpAddress": ip}


def ec2(*instances: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return DescribeInstances' answer: each instance in a reservation of its own, as the group launches them."""
    return {"Reservations": [{"ReservationId": f"r-{n}", "Instances": [i]} for n, i in enumerate(instances)], **more}
