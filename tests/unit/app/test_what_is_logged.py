"""What a decision's line in the log holds beside the decision: enough to see, later, what it was made from."""

from __future__ import annotations

from tests.world import World


def test_a_decision_is_logged_with_who_answered_as_what_and_who_did_not() -> None:
    world = World(desired=3)
    world.live(minutes=3)
    silent = world.group.in_service()[2]
    endpoints = {str(i): f"http://{world.group.instances[i].private_ip}:2379" for i in world.group.in_service()}
    world.etcd.hang(endpoints[silent])
    world.telemetry.facts.clear()
    world.run()

    facts = world.telemetry.facts[0]
    cluster = world.cluster()
    roles = {v.name: "leads, serves" if v.member_id == cluster.leader_id else "serves" for v in cluster.voters}
    ids = {v.name: f"{v.member_id:x}" for v in cluster.voters}
    assert facts["members"] == {
        endpoints[name]: f"{ids[name]} of {cluster.cluster_id:x}: {roles[name]}" for name in roles if name != silent
    }
    assert list(facts["problems"]) == [endpoints[silent]]  # type: ignore[call-overload]
    assert facts["record"] == "existing, generation 1"
    assert facts["instances"] == dict.fromkeys(world.group.in_service(), "InService")


def test_before_there_is_a_record_a_decision_says_so() -> None:
    world = World(desired=3)
    world.run()
    assert world.telemetry.facts[0]["record"] == "none"
    assert world.telemetry.facts[0]["members"] == {}
