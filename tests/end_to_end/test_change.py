"""A running stack is changed by deploying it again: etcd 3.4 to 3.6, what is refused, what does not work, its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from etcd_aws_cluster.aws.autoscaling import AutoScalingInstanceGroup
from infra.deployment import HANDLER
from lab import Lab
from lab.paths import CACHE, LabError, etcd_version
from lab.writer import Writer
from tests.end_to_end.conftest import SETTINGS, SETTLE_S, Deployed
from tests.end_to_end.deployed_roles import DeployedRoles
from tests.permissions import not_granted, unused
from tests.real_etcd import NotAtHandError, find_binary

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(900)]

BROKEN = "3.5.99"
NO_ARCHIVE = "0" * 64


@dataclass
class Stack:
    """A lab whose hosts run the etcd that they were deployed with.

    Attributes:
        old: A release of etcd 3.4.
        middle: One of 3.5 from which 3.6 can be reached.
        new: One of 3.6.
    """

    lab: Lab
    old: str
    middle: str
    new: str

    def deploy(self, version: str, **more: str) -> None:
        """``cdk deploy -c etcd:etcd_version=...``."""
        settings = {f"etcd:{name}": value for name, value in more.items()}
        self.lab.deploy(
            {
                **SETTINGS,
                "etcd:etcd_client_scheme": "http",
                "etcd:etcd_peer_scheme": "http",
                **settings,
                "etcd:etcd_version": version,
                "etcd:etcd_sha256": NO_ARCHIVE,
            }
        )

    def versions(self) -> list[str]:
        """Return what each host's etcd says that it is."""
        return [requests.get(f"{url}/version", timeout=60).json()["etcdserver"] for url in self.lab.client_urls()]

    def is_whole(self) -> bool:
        """Whether there are three instances, all in service, and exactly those vote."""
        return Deployed(self.lab).is_settled(3)

    def status(self) -> str:
        """Return the stack's."""
        (stack,) = self.lab.client("cloudformation").describe_stacks(StackName="etcd-aws-cluster-etcd")["Stacks"]
        return str(stack["StackStatus"])

    def reason(self) -> str:
        """Return why the last deployment failed, as CloudFormation tells it."""
        events = self.lab.client("cloudformation").describe_stack_events(StackName="etcd-aws-cluster-etcd")
        failed = [e for e in events["StackEvents"] if e["ResourceStatus"] == "UPDATE_FAILED"]
        return str(failed[0]["ResourceStatusReason"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Three instances of etcd 3.4 in service."""
    middle = CACHE / "etcd-3.5.35" / "etcd"
    try:
        old, new = find_binary("3.4"), find_binary("3.6")
    except NotAtHandError as error:
        pytest.skip(str(error))
    if not middle.exists():
        pytest.skip("etcd 3.5.35 is not at hand: not run (make etcd-3.5.35 builds it where Go is)")
    binaries = {etcd_version(path): path for path in (old, middle, new)}
    with Lab(tmp_path_factory.mktemp("lab"), etcds={**binaries, BROKEN: Path("/bin/false")}) as lab:
        made = Stack(lab, *binaries)
        made.deploy(made.old)
        lab.wait_in_service(3, SETTLE_S)
        yield made


def test_a_skipped_minor_version_is_refused_before_anything_is_touched(stack: Stack) -> None:
    before = stack.lab.instances()
    template = stack.lab.group()["LaunchTemplate"]
    with pytest.raises(LabError, match="one minor version at a time"):
        stack.deploy(stack.new)
    assert f"{stack.new} was asked for" in stack.reason()
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert (stack.lab.instances(), stack.lab.group()["LaunchTemplate"]) == (before, template)


def test_the_next_minor_version_rolls_through_with_another_instance_type_and_no_write_is_lost(stack: Stack) -> None:
    before = set(stack.lab.instances())
    assert stack.versions() == [stack.old] * 3
    with Writer(stack.lab.client_urls, stack.lab.tls) as writer:
        stack.deploy(stack.middle, instance_type="c7g.medium")
        stack.lab.wait_for(stack.is_whole, SETTLE_S, "three voters in service")
    assert not before & set(stack.lab.instances())
    assert stack.versions() == [stack.middle] * 3
    verdict = writer.verify()
    assert verdict.acknowledged > 0
    assert verdict.lost == []


def test_a_version_that_does_not_work_stops_at_its_first_instance_and_the_old_ones_are_not_touched(
    stack: Stack,
) -> None:
    lab = stack.lab
    before = set(lab.instances())
    template = lab.group()["LaunchTemplate"]
    seen = lab.newest_transition()
    with Writer(lab.client_urls, lab.tls) as writer, pytest.raises(LabError, match="did not become a member"):
        stack.deploy(BROKEN, instance_type="c7g.medium", join_timeout_s="12")
    assert "Untouched: " + ", ".join(sorted(before)) in stack.reason()
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert lab.refresh_status()[0] == "Cancelled"
    assert lab.group()["LaunchTemplate"] == template
    lab.wait_for(stack.is_whole, SETTLE_S, "three voters in service")
    moved = [t for t in lab.transitions(after=seen) if t["kind"] == "lifecycle"]
    assert moved
    assert not {t["instance"] for t in moved} & before
    assert set(lab.instances()) == before
    assert writer.verify().lost == []


def test_after_that_the_next_good_version_rolls_through_and_there_is_no_way_back(stack: Stack) -> None:
    with Writer(stack.lab.client_urls, stack.lab.tls) as writer:
        stack.deploy(stack.new, instance_type="c7g.medium")
        stack.lab.wait_for(stack.is_whole, SETTLE_S, "three voters in service")
    assert stack.versions() == [stack.new] * 3
    assert writer.verify().lost == []
    before = stack.lab.instances()
    with pytest.raises(LabError, match="is not downgraded by deploying an older release"):
        stack.deploy(stack.middle, instance_type="c7g.medium")
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.lab.instances() == before


def test_the_deployments_role_did_all_that_it_is_granted_and_nothing_else(stack: Stack) -> None:
    lab, roles = stack.lab, DeployedRoles(stack.lab)
    functions = lab.client("lambda").list_functions()["Functions"]
    (name,) = (each["FunctionName"] for each in functions if each["Handler"] == HANDLER)
    # It calls itself where a rollout takes longer than a quarter of an hour; here it only asks whether it may.
    lab.client("lambda", role_arn=roles.of("Deployment")).invoke(FunctionName=name, InvocationType="DryRun")
    # No group of this walk has a warm pool, which it reads where there is one.
    lab.autoscaling.put_warm_pool(AutoScalingGroupName=lab.state.cluster, MinSize=0, MaxGroupPreparedCapacity=0)
    AutoScalingInstanceGroup(
        autoscaling=lab.client("autoscaling", role_arn=roles.of("Deployment")),
        ec2=lab.client("ec2", role_arn=roles.of("Deployment")),
        name=lab.state.cluster,
        hook_names={},
    ).read(())
    lab.autoscaling.delete_warm_pool(AutoScalingGroupName=lab.state.cluster)
    grants, calls = roles.grants("Deployment"), roles.calls()
    assert not_granted(roles.grants(), calls) == []
    assert unused(grants, calls) == []


def test_destroyed_nothing_is_left_but_the_parameters(stack: Stack) -> None:
    lab = stack.lab
    lab.destroy()
    assert not [h for h in lab.hosts() if h["powered"]]
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("logs").describe_log_groups()["logGroups"] == []
    assert lab.sqs.list_queues().get("QueueUrls", []) == []
    left = lab.client("ssm").get_parameters_by_path(Path="/etcd-aws-cluster", Recursive=True)["Parameters"]
    assert {p["Name"] for p in left} == {
        f"/etcd-aws-cluster/etcd/{name}"
        for name in ("record", "initial-cluster", "generations/1", "generations/1/outcome")
    }
    record = lab.record()
    assert record is not None
    assert record["state"] == "retired"
