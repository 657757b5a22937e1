"""Puts the local AWS together and runs it in this process."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

from . import names
from .autoscaling.operations import OPERATIONS
from .autoscaling.ports import ApiError
from .computers import Computers
from .control import Control, ControlServer
from .faults import Faults
from .journal import Journal
from .orders import Orders
from .player import Player, Post
from .recorder import Recorder
from .wire import QueryProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fleet import Ec2Fleet

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"
_AMI: Final = "ami-0c2023a1b2c3d4e5f"
_AMI_PARAMETERS: Final = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-{arch}"


def main() -> None:
    """Run the local AWS until SIGTERM."""
    parser = argparse.ArgumentParser(prog="local_aws", description="MiniStack with an Auto Scaling that plays.")
    parser.add_argument("--port", type=int, required=True, help="port of the AWS endpoint on 127.0.0.1")
    parser.add_argument("--control-port", type=int, required=True, help="port of the lab's own door on 127.0.0.1")
    parser.add_argument("--metadata-port", type=int, required=True, help="port of IMDS on each instance's address")
    parser.add_argument("--hold", required=True, help="address to listen on, so that no other lab takes its network")
    parser.add_argument("--children", default="{}", help="JSON object: more variables for what this process starts")
    options = parser.parse_args()
    sys.argv[1:] = []
    os.environ.update(
        {
            "GATEWAY_PORT": str(options.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            **json.loads(options.children),
        }
    )
    held = socket.create_server((options.hold, options.metadata_port))  # first: imports take their time
    names.check()
    control = assemble(options.metadata_port)
    server = ControlServer(control, options.control_port)
    threading.Thread(target=server.serve, daemon=True, name="control").start()

    from ministack.app import main as run  # noqa: PLC0415  # reads the environment on import

    with held:
        run()


def assemble(metadata_port: int) -> Control:
    """Build the player and its surroundings, and put them into MiniStack."""
    from ministack import app  # noqa: PLC0415  # reads the environment on import
    from ministack.core.iam_actions import extract_iam_action  # noqa: PLC0415
    from ministack.core.responses import request_scope  # noqa: PLC0415
    from ministack.services import autoscaling, eventbridge  # noqa: PLC0415

    from . import (  # noqa: PLC0415  # these import MiniStack
        authorization,
        cloudformation,
        ec2_api,
        network_types,
        secret_versions,
        zones,
    )
    from .fleet import Ec2Fleet  # noqa: PLC0415
    from .function import Function  # noqa: PLC0415
    from .parameters import ParameterStore  # noqa: PLC0415

    def scope() -> contextlib.AbstractContextManager[None]:
        held: contextlib.AbstractContextManager[None] = request_scope(ACCOUNT, REGION)
        return held

    def put_event(event: dict[str, Any]) -> None:
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Resources": event["resources"],
            "Detail": json.dumps(event["detail"]),
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    journal, faults, recorder = Journal(), Faults(), Recorder()
    function = Function(journal)
    computers = Computers(
        describe=lambda instance_id: _describe(player, scope, instance_id),
        register=_register,
        metadata_port=metadata_port,
    )
    fleet: Ec2Fleet = Ec2Fleet(computers.changed)
    post = Post(put_event=put_event, send=_send, journal=journal)
    player = Player(fleet=fleet, post=post, arn_prefix=f"arn:aws:autoscaling:{REGION}:{ACCOUNT}", scope=scope)
    protocol = QueryProtocol("autoscaling")
    for operation in OPERATIONS:
        autoscaling._ACTION_MAP[operation] = _api(player, protocol, operation)
    cloudformation.install(player, protocol)
    network_types.install()
    zones.install()
    authorization.install(lambda instance_id: _group_of(player, instance_id), recorder)
    ec2_api.install(fleet, player.wake)
    secret_versions.install()
    handlers = app.SERVICE_HANDLERS
    handlers["ssm"] = ParameterStore(put_event).wrap(handlers["ssm"])
    handlers["secretsmanager"] = secret_versions.wrap(handlers["secretsmanager"], enforced=app.AUTH)
    for service in handlers:
        handlers[service] = function.wrap(faults.wrap(service, handlers[service], extract_iam_action))
    with scope():
        _public_parameters()
    player.start()
    return Control(
        player=player,
        fleet=fleet,
        computers=computers,
        journal=journal,
        faults=faults,
        function=function,
        orders=Orders(),
        recorder=recorder,
    )


def _group_of(player: Player, instance_id: str) -> str:
    """The name of an instance's group; empty if it has none."""
    found = player.call("DescribeAutoScalingInstances", {"InstanceIds": [instance_id]})["AutoScalingInstances"]
    return str(found[0]["AutoScalingGroupName"]) if found else ""


def _api(player: Player, protocol: QueryProtocol, operation: str) -> Callable[[dict[str, str]], Any]:
    """A handler of MiniStack's for an operation that is played."""

    def handle(parameters: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        request_id, headers = str(uuid.uuid4()), {"Content-Type": "text/xml"}
        try:
            response = player.call(operation, protocol.read(operation, parameters))
        except KeyError as missing:
            name = missing.args[0]
            text = f"1 validation error detected: Value null at '{name}' failed: Member must not be null"
            return 400, headers, protocol.error("ValidationError", text, request_id)
        except ApiError as error:
            return 400, headers, protocol.error(error.code, error.message, request_id)
        return 200, headers, protocol.answer(operation, response, request_id)

    return handle


def _describe(player: Player, scope: Callable[[], Any], instance_id: str) -> dict[str, Any]:
    """The facts of an instance; of one that EC2 forgot only that it is terminated."""
    from ministack.services import ec2  # noqa: PLC0415

    with scope():
        record = ec2._instances.get(instance_id)
        if record is None:
            return {"instance_id": instance_id, "state": "terminated", "address": "", "group": "", "role": ""}
        return {
            "instance_id": instance_id,
            "state": record["State"]["Name"],
            "address": record["PrivateIpAddress"],
            "zone": record["Placement"]["AvailabilityZone"],
            "region": REGION,
            "account": ACCOUNT,
            "image_id": record["ImageId"],
            "instance_type": record["InstanceType"],
            "group": record.get("_group", ""),
            "user_data": record["UserData"],
            "tags": {tag["Key"]: tag["Value"] for tag in ec2._tags.get(instance_id, ())},
            "role": _role(record),
            "lifecycle": _target(player, instance_id),
        }


def _target(player: Player, instance_id: str) -> str:
    """The state that the instance is on its way to, as IMDS answers it."""
    try:
        _, instance = player.scaling.instance(instance_id)
    except ApiError:
        return "InService"
    if instance.state.in_warm_pool:
        return "Warmed:Terminated" if instance.state.terminating else "Warmed:Stopped"
    return "Terminated" if instance.state.terminating else "InService"


def _role(record: dict[str, Any]) -> str:
    from ministack.services import iam  # noqa: PLC0415

    arn = (record.get("IamInstanceProfile") or {}).get("Arn", "")
    for profile in iam._instance_profiles.values():
        if profile["Arn"] == arn and profile.get("Roles"):
            role = profile["Roles"][0]
            return str(role["RoleName"] if isinstance(role, dict) else role)
    return ""


def _register(key: str, secret: str, session: str, role: str, instance_id: str) -> None:
    from ministack.services import sts  # noqa: PLC0415

    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{instance_id}",
            "UserId": f"{role}:{instance_id}",
            "SecretAccessKey": secret,
            "SessionToken": session,
        },
    )


def _send(target_arn: str, message: str) -> None:
    """A notification to an SQS queue; other targets are not played."""
    import botocore.session  # noqa: PLC0415  # only where a hook has a target

    *_, account, name = target_arn.split(":")
    endpoint = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    session = botocore.session.get_session()
    client: Any = session.create_client("sqs", region_name=REGION, endpoint_url=endpoint)
    client.send_message(QueueUrl=f"{endpoint}/{account}/{name}", MessageBody=message)


def _public_parameters() -> None:
    """The AMI parameters that AWS publishes, for which nobody may put a parameter."""
    from ministack.services import ssm  # noqa: PLC0415

    reserved, ssm._reserved_name_error = ssm._reserved_name_error, lambda _name: None
    for kernel in ("6.1", "6.12", "default"):
        for arch in ("x86_64", "arm64"):
            name = _AMI_PARAMETERS.format(kernel=kernel, arch=arch)
            ssm._put_parameter({"Name": name, "Value": _AMI, "Type": "String", "DataType": "aws:ec2:image"})
    ssm._reserved_name_error = reserved
