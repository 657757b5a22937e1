"""Records as the controller writes them; one fact per argument."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.agent.fake_aws import ADDRESS, INSTANCE

INITIAL_CLUSTER_TOKEN = "etcd-1a2b3c4d-g1"


def an_entry(
    instance: str | None = INSTANCE,
    *,
    address: str = ADDRESS,
    member_id: str | None = "8e9e05c52164694d",
    name: str | None = None,
    started: bool = False,
    learner: bool = False,
    life: str = "g1",
    peer_urls: list[str] | None = None,
) -> dict[str, Any]:
    """Return an entry; a started member is named after its instance unless told otherwise."""
    return {
        "instance": instance,
        "id": member_id,
        "name": name if name is not None else (instance or "") * started,
        "peer_urls": peer_urls or [f"http://{address}:2380"],
        "client_urls": [f"http://{address}:2379"],
        "started": started,
        "learner": learner,
        "life": life,
        "since": 1700000000,
    }


def two_others(*, started: bool = True) -> list[dict[str, Any]]:
    return [
        an_entry("i-0000000b", address="10.0.1.4", member_id="b", started=started),
        an_entry("i-0000000c", address="10.0.2.4", member_id="c", started=started),
    ]


def a_record(*entries: dict[str, Any], state: str = "existing", **changes: object) -> str:
    document: dict[str, object] = {
        "schema": 1,
        "generation": 1,
        "group_arn": "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:u:autoScalingGroupName/etcd",
        "token": INITIAL_CLUSTER_TOKEN,
        "state": state,
        "cluster_id": None if state == "new" else "3457a249bd4910ef",
        "created_at": 1700000000,
        "members": list(entries),
        "clocks": {"unresponsive": {}, "leaving": {}},
    }
    return json.dumps({**document, **changes}, separators=(",", ":"))
