"""Coming from the bash container (docs/attach.md), walked: adopted as it runs, then rolled over, then let go of again.

etcd 3.4 with the v2 API, a static list, no hooks: a group as its user made it. The tests run in the order written.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from lab.deployment import aws_environment
from lab.old_group import OldGroup
from lab.paths import LabError
from lab.writer import Writer
from tests.end_to_end.conftest import SETTINGS, SETTLE_S, Deployed
from tests.real_etcd import NotAtHandError, find_binary

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(900)]

NAME = "legacy_etcd.prod"
STACK = "etcd-aws-cluster-legacy-etcd-prod"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Walk:
    """A lab with such a group, and what is asked of both."""

    lab: Lab
    group: OldGroup

    @property
    def settings(self) -> dict[str, str]:
        """What the group's owner gives to ``cdk deploy``."""
        return {
            **{key: value for key, value in SETTINGS.items() if key != "etcd:dns_zone_name"},
            "etcd:attach": "true",
            "etcd:cluster_name": NAME,
            "etcd:vpc_id": self.group.vpc_id,
            "etcd:members_security_group_id": self.group.security_group_id,
            "etcd:egress": "endpoints",
            "etcd:etcd_client_scheme": "http",
            "etcd:etcd_peer_scheme": "http",
        }

    def pids(self) -> dict[str, str]:
        """Process id and birth of each instance's etcd."""
        return {each: (self.lab.folder(each) / "etcd.pid").read_text("ascii") for each in self.lab.instances()}

    def hooks(self) -> set[str]:
        """Names of the group's hooks."""
        found = self.lab.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=NAME)["LifecycleHooks"]
        return {each["LifecycleHookName"] for each in found}

    def stacks(self) -> list[str]:
        """Names of the stacks of clusters."""
        found = self.lab.client("cloudformation").describe_stacks()["Stacks"]
        return [each["StackName"] for each in found if each["StackName"].startswith("etcd-aws-cluster")]

    def looked_at(self, *arguments: str) -> tuple[int, str]:
        """Exit code and words of ``python -m infra.attach``."""
        done = subprocess.run(
            [sys.executable, "-m", "infra.attach", *arguments],
            cwd=ROOT,
            env={**os.environ, **aws_environment(self.lab.state.aws_endpoint)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    try:
        etcd = find_binary("3.4")
    except NotAtHandError as missing:
        pytest.skip(str(missing))
    with Lab(tmp_path_factory.mktemp("attach"), etcd=etcd) as lab:
        group = lab.add_old_group(NAME)
        lab.wait_in_service(3, SETTLE_S)
        lab.wait_for(lambda: has_formed(lab), SETTLE_S, "a cluster of the old way")
        yield Walk(lab, group)


def has_formed(lab: Lab) -> bool:
    """Whether every instance serves, and each knows all of them; the quorum is there before the last one is."""
    urls, instances = lab.client_urls(), set(lab.instances())
    try:
        return len(urls) == len(instances) and all(v2_members(url) == instances for url in urls)
    except OSError:
        return False


def script_of_the_guide() -> str:
    """The user data that the guide gives to hosts, with the group's name in the place of its example."""
    guide = (ROOT / "docs" / "attach.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^ *```sh\n( *#!/bin/bash\n.*?)^ *```$", guide, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(script).replace("legacy-etcd", NAME)


def v2_members(url: str) -> set[str]:
    with urllib.request.urlopen(f"{url}/v2/members", timeout=60) as answer:  # noqa: S310 - http, to this machine
        listed: dict[str, Any] = json.load(answer)
    return {each["name"] for each in listed["members"]}


def test_a_cluster_has_formed_the_old_way_with_nothing_of_this_project(walk: Walk) -> None:
    lab = walk.lab
    assert lab.etcdctl.voters() == set(lab.instances())
    assert lab.record() is None
    assert not walk.hooks()
    keys = [line.split("=")[0] for line in lab.peers_file(min(lab.instances())).splitlines()]
    assert keys == ["ETCD_INITIAL_CLUSTER_STATE", "ETCD_NAME", "ETCD_INITIAL_CLUSTER"]


def test_what_it_cannot_do_safely_it_refuses_before_it_makes_anything(walk: Walk) -> None:
    walk.lab.autoscaling.put_lifecycle_hook(
        AutoScalingGroupName=NAME,
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        DefaultResult="ABANDON",
    )
    with pytest.raises(LabError, match="the hook drain for terminating instances has the default result ABANDON"):
        walk.lab.deploy(walk.settings)
    assert not walk.stacks()
    assert walk.hooks() == {"drain"}
    code, said = walk.looked_at(NAME)
    assert (code, "REFUSED      the hook drain" in said) == (1, True)
    walk.lab.autoscaling.delete_lifecycle_hook(AutoScalingGroupName=NAME, LifecycleHookName="drain")


def test_the_look_at_the_group_says_what_is_missing_and_how_to_deploy(walk: Walk) -> None:
    code, said = walk.looked_at(NAME)
    assert code == 0, said
    assert "REFUSED" not in said
    assert "RECOMMENDED  the user data of instances to come runs the container" in said
    assert "--instance-lifecycle-policy" in said
    assert f"-c etcd:vpc_id={walk.group.vpc_id}" in said
    assert f"-c etcd:members_security_group_id={walk.group.security_group_id}" in said


def test_what_was_recommended_and_done_is_not_said_again(walk: Walk) -> None:
    walk.lab.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=NAME,
        InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
    )
    said = walk.looked_at(NAME)[1]
    assert said.count("RECOMMENDED") == said.count("RECOMMENDED  the user data") == 2


def test_a_group_that_is_not_there_and_a_security_group_that_members_are_not_in_are_refused(walk: Walk) -> None:
    code, said = walk.looked_at("nobody-s")
    assert (code, "0 Auto Scaling groups" in said) == (1, True)
    other = walk.lab.client("ec2").create_security_group(GroupName="other", Description="x", VpcId=walk.group.vpc_id)
    code, said = walk.looked_at(NAME, "--members-security-group-id", other["GroupId"])
    assert (code, "would take them for dead" in said) == (1, True)


def test_attached_by_cdk_deploy_the_cluster_is_adopted_and_no_instance_is_replaced(walk: Walk) -> None:
    lab, before = walk.lab, walk.pids()
    seen = lab.newest_transition()
    with Writer(lab.client_urls) as writer:
        lab.deploy(walk.settings)
        world = Deployed(lab)
        lab.wait_for(lambda: world.tick()["decision"] == "Settled", SETTLE_S, "all to be settled")
    record = lab.record()
    assert record is not None
    assert (record["state"], record["generation"]) == ("existing", 1)
    assert {m["instance"] for m in record["members"]} == set(lab.instances())
    assert walk.hooks() == {"etcd-launch", "etcd-terminate"}
    assert walk.pids() == before
    assert not [t for t in lab.transitions(after=seen) if t["kind"] in {"lifecycle", "host"}]
    assert writer.verify().lost == []


def test_rolled_over_to_hosts_with_the_agent_under_writes_no_write_is_lost(walk: Walk) -> None:
    lab, world = walk.lab, Deployed(walk.lab)
    before = set(lab.instances())
    cluster_id = (lab.record() or {})["cluster_id"]
    walk.group.take(script_of_the_guide())
    with Writer(lab.client_urls) as writer:
        lab.refresh()
        lab.wait_for(lambda: lab.refresh_status()[0] == "Successful", SETTLE_S, "the instance refresh")
        world.settle(3)
    verdict = writer.verify()
    assert verdict.acknowledged > 0
    assert verdict.lost == []
    assert not before & set(lab.instances())
    lab.wait_for(lambda: world.tick()["decision"] == "Settled", SETTLE_S, "all to be settled")
    record = lab.record()
    assert record is not None
    assert (record["state"], record["cluster_id"]) == ("existing", cluster_id)
    assert {m["instance"] for m in record["members"]} == set(lab.instances())
    # etcd 3.4 has learners: each of the three came as one.
    assert [d["reason"] for d in world.logged("decision")].count("LEARNER_SERVES") == 3
    for instance_id in lab.instances():
        assert "ETCD_INITIAL_CLUSTER_STATE=existing" in lab.peers_file(instance_id)


def test_destroying_the_stack_leaves_group_and_cluster_alone(walk: Walk) -> None:
    lab, before = walk.lab, walk.pids()
    seen = lab.newest_transition()
    with Writer(lab.client_urls) as writer:
        lab.destroy()
    assert not walk.stacks()
    assert not walk.hooks()
    assert list(lab.instances().values()) == ["InService"] * 3
    assert walk.pids() == before
    assert not [t for t in lab.transitions(after=seen) if t["kind"] in {"lifecycle", "host"}]
    assert lab.etcdctl.voters() == set(lab.instances())
    assert writer.verify().lost == []


def test_attached_once_more_it_goes_on_with_its_record(walk: Walk) -> None:
    lab = walk.lab
    record = lab.record()
    lab.deploy(walk.settings)
    world = Deployed(lab)
    lab.wait_for(lambda: world.tick()["decision"] == "Settled", SETTLE_S, "all to be settled")
    assert lab.record() == record
    code, said = walk.looked_at(NAME)
    assert (code, "attached     yes" in said) == (0, True), said
    # A look at a stack's own hooks is no reason to refuse.
    lab.deploy({**walk.settings, "etcd:log_level": "DEBUG"})


def test_a_hook_that_the_groups_owner_takes_away_is_missed_and_put_again_by_hand_is_well(walk: Walk) -> None:
    lab, world = walk.lab, Deployed(walk.lab)
    world.tick()
    before = len(world.logged("hook watch did not work"))
    hooks = {"AutoScalingGroupName": NAME, "LifecycleHookName": "etcd-terminate"}
    lab.autoscaling.delete_lifecycle_hook(**hooks)
    world.tick()
    told = world.logged("hook watch did not work")
    assert len(told) > before
    assert "the lifecycle hook etcd-terminate" in told[-1]["problem"]
    assert "not both of its hooks" in walk.looked_at(NAME)[1]
    lab.autoscaling.put_lifecycle_hook(
        **hooks,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        DefaultResult="ABANDON",
        HeartbeatTimeout=3600,
    )
    world.tick()
    assert len(world.logged("hook watch did not work")) == len(told)
