"""What a member says of itself is its own affair: whoever has its host can say anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etcd_aws_agent.record import parse_record
from tests.world import World


@pytest.mark.parametrize(
    "told",
    [
        {"client_urls": tuple(f"http://10.0.0.{n}:2379" for n in range(256))},
        {"client_urls": ("http://" + "x" * 5000 + ":2379",)},
        {"client_urls": ("unix:///run/etcd.sock",)},
        {"client_urls": ("http://10.0.0.4:2379/path",)},
        {"name": "y" * 5000},
        {"name": "a\nETCD_NAME=b"},
        {"name": 'x=http://10.9.9.9:2380,y"'},
        {"name": "i-" + "0" * 5000},
    ],
    ids=["many URLs", "a long URL", "no address", "a path", "a long name", "a line", "a list", "a long id"],
)
def test_whatever_a_member_calls_itself_the_others_are_looked_after_and_agents_can_read_the_record(
    told: dict[str, Any],
) -> None:
    world = World()
    world.live(minutes=8)
    odd, *_, lost = world.cluster().members.values()
    world.cluster().members[odd.member_id] = replace(odd, **told)
    world.live(minutes=1)
    (instance,) = (i for i in world.group.in_service() if i == lost.name)
    world.group.lose(instance)

    world.live(minutes=10)

    assert world.store.record
    assert instance not in world.group.in_service()
    assert len(world.cluster().voters) == 3
    members = parse_record(world.store.record.to_json(), parameter="record").members
    assert {m.member_id for m in members} == {f"{m:x}" for m in world.cluster().members}
    plain = world.store.record.initial_cluster()
    assert len(plain.split(",")) == 3
    assert len(plain) < 200
