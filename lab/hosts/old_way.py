"""What the container etcd-aws-cluster does while a whole group boots for the first time, played from its source.

It lists the instances of its group with their addresses, each under its instance id, and writes the file once; one
that is there is left alone. The container takes whatever the group has at that moment, so that hosts may see different
lists; here each waits until the group is whole. Joining a cluster, and evicting members from it, is not played.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, Final

import boto3

_POLL_S: Final = 0.2
_ANSWER_S: Final = 2.0
_WAIT_S: Final = 60.0
_NO_GROUP: Final = 4
_JOINING_FAILED: Final = 9


def main() -> int:
    """Write the file; returns the exit code."""
    path = Path(os.environ["ETCD_PEERS_FILE"])
    if path.exists():
        return 0
    me = identity()
    session = boto3.session.Session(region_name=me["region"])
    addresses = wait_for_the_group(session, me["instanceId"])
    if not addresses:
        return _NO_GROUP
    # As the container: a cluster that lists this instance already is one that is forming with it.
    if any(me["instanceId"] not in names for names in map(members_at, addresses.values()) if names):
        sys.stderr.write("a member answers that does not list this instance: joining is not played\n")
        return _JOINING_FAILED
    initial = ",".join(f"{instance_id}=http://{address}:2380" for instance_id, address in sorted(addresses.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'ETCD_INITIAL_CLUSTER_STATE=new\nETCD_NAME={me["instanceId"]}\nETCD_INITIAL_CLUSTER="{initial}"\n',
        encoding="utf-8",
    )
    return 0


def identity() -> dict[str, str]:
    """The instance identity document."""
    base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = ask(urllib.request.Request(f"{base}/latest/api/token", method="PUT", headers=wanted))  # noqa: S310  # IMDS
    held = {"X-aws-ec2-metadata-token": token}
    document = urllib.request.Request(f"{base}/latest/dynamic/instance-identity/document", headers=held)  # noqa: S310
    found: dict[str, str] = json.loads(ask(document))
    return found


def wait_for_the_group(session: Any, instance_id: str) -> dict[str, str]:  # noqa: ANN401  # a boto3 session
    """The addresses of all instances of an instance's group by instance id; empty if they do not come."""
    autoscaling, ec2 = session.client("autoscaling"), session.client("ec2")
    pause = threading.Event()
    for _ in range(int(_WAIT_S / _POLL_S)):
        mine = autoscaling.describe_auto_scaling_instances(InstanceIds=[instance_id])["AutoScalingInstances"]
        names = [each["AutoScalingGroupName"] for each in mine]
        groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
        listed = [each["InstanceId"] for each in groups[0]["Instances"]] if names and groups else []
        if listed and len(listed) == groups[0]["DesiredCapacity"]:
            found = ec2.describe_instances(InstanceIds=listed)["Reservations"]
            instances = [each for reservation in found for each in reservation["Instances"]]
            addresses = {each["InstanceId"]: each.get("PrivateIpAddress", "") for each in instances}
            if len(addresses) == len(listed) and all(addresses.values()):
                return addresses
        pause.wait(_POLL_S)
    return {}


def members_at(address: str) -> set[str]:
    """The names of the members that an etcd there lists by the v2 members API; empty if none answers."""
    try:
        listed = json.loads(ask(urllib.request.Request(f"http://{address}:2379/v2/members")))
    except OSError:
        return set()
    return {each["name"] for each in listed["members"]}


def ask(request: urllib.request.Request) -> str:
    """The body of an answer."""
    with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310  # http, to this machine
        body: str = answer.read().decode()
    return body


if __name__ == "__main__":
    sys.exit(main())
