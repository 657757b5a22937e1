"""The deployed stack, its real bundles and real etcd, from the first instance to the last."""

from __future__ import annotations

import base64
import json
import re
import signal
import time
from datetime import timedelta

import pytest

from etcd_aws_cluster.aws.autoscaling import AutoScalingInstanceGroup
from etcd_aws_cluster.aws.certificate_parameters import SsmCertificateTray
from etcd_aws_cluster.core.certificates import Applicant
from etcd_aws_cluster.core.model import InstanceId
from etcd_aws_cluster.pki.certificates import Subject, new_authority, new_key, pem
from etcd_aws_cluster.pki.ended import EndedCertificates
from etcd_aws_cluster.wiring import SystemClock
from lab.hosts.user_data import written_files
from lab.mischief import launch_event
from lab.writer import Writer
from tests.end_to_end.conftest import SETTINGS, SETTLE_S, Deployed
from tests.end_to_end.deployed_roles import DeployedRoles
from tests.end_to_end.tls import (
    CLIENT_PORT,
    PEER_PORT,
    PRIVATE_KEY,
    addresses,
    answers,
    answers_in_the_clear,
    places_of_private_keys,
)
from tests.permissions import not_granted, unused
from tests.world import RecordingTelemetry

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(900)]


def test_three_instances_have_formed_one_cluster_from_one_list(deployed: Deployed) -> None:
    lab = deployed.lab
    record = lab.record()
    assert record is not None
    assert (record["state"], record["generation"]) == ("existing", 1)
    assert {m["instance"] for m in record["members"]} == set(lab.instances()) == deployed.voters()
    assert all(m["started"] and not m["learner"] for m in record["members"])
    lists = {
        line
        for i in lab.instances()
        for line in lab.peers_file(i).splitlines()
        if line.startswith("ETCD_INITIAL_CLUSTER=")
    }
    assert len(lists) == 1


def test_who_has_no_certificate_is_refused_on_both_ports_and_a_client_on_the_peers(deployed: Deployed) -> None:
    for address in addresses(deployed.lab).values():
        assert answers(address, CLIENT_PORT, lab=deployed.lab)
        assert not answers(address, PEER_PORT, lab=deployed.lab)
        for port in (CLIENT_PORT, PEER_PORT):
            assert not answers(address, port, lab=None)
            assert not answers_in_the_clear(address, port)


def test_the_plain_list_is_published_for_people(deployed: Deployed) -> None:
    deployed.tick()
    name = f"/etcd-aws-cluster/{deployed.lab.state.cluster}/initial-cluster"
    text = deployed.lab.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert {pair.split("=")[0] for pair in text.split(",")} == set(deployed.lab.instances())


def test_a_settled_tick_makes_three_aws_calls(deployed: Deployed) -> None:
    deployed.tick()
    made = []
    # One of them may be the one in five minutes that looks for requests for certificates, and one that of the minute's
    # scheduled event besides.
    for _ in range(4):
        before = deployed.calls()
        assert deployed.tick()["decision"] == "Settled"
        calls = deployed.calls() - before
        made.append({name: n for name, n in calls.items() if name.split(":")[0] in {"autoscaling", "ec2", "ssm"}})
    needed = ("autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances", "ssm:GetParameters")
    assert dict.fromkeys(needed, 1) in made, made


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        '{"source": 7}',
        json.dumps({"source": "aws.autoscaling", "detail-type": "EC2 Instance-launch Lifecycle Action"}),
    ],
)
def test_a_malformed_message_goes_to_the_dead_letter_queue_and_blocks_nothing(deployed: Deployed, body: str) -> None:
    deployed.lab.send(body)
    assert deployed.tick()["decision"] == "Settled"
    url = deployed.lab.queue_url(dead_letters=True)
    (message,) = deployed.lab.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])[
        "Messages"
    ]
    deployed.lab.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert message["Body"] == body
    assert deployed.logged("malformed message")[-1]["problem"]


def test_a_foreign_groups_event_is_ignored(deployed: Deployed) -> None:
    deployed.lab.send(launch_event("somebody-elses"))
    deployed.tick()
    assert any("'somebody-elses' is not ours" in entry["trigger"] for entry in deployed.logged("message"))


def test_a_dead_host_is_replaced_and_no_acknowledged_write_is_lost(deployed: Deployed) -> None:
    lab = deployed.lab
    victim = min(lab.instances())
    with Writer(lab.client_urls, lab.tls) as writer:
        lab.kill(victim)
        lab.wait_for(lambda: victim not in lab.instances(), SETTLE_S, "the dead host to be gone")
        deployed.settle(3)
    verdict = writer.verify()
    assert verdict.acknowledged > 0
    assert verdict.lost == []


def test_a_hung_etcd_is_replaced_after_the_grace_period(deployed: Deployed) -> None:
    lab = deployed.lab
    hung = max(lab.instances())
    lab.signal_etcd(hung, signal.SIGSTOP)
    for _ in range(20):
        deployed.tick()
        if lab.instances().get(hung) != "InService":
            break
    lab.wait_for(lambda: hung not in lab.instances(), SETTLE_S, "the hung instance to be gone")
    deployed.settle(3)


def test_an_etcd_that_crashes_comes_back_with_its_data_and_its_membership(deployed: Deployed) -> None:
    lab = deployed.lab
    before = {m["ID"] for m in lab.etcdctl.members()}
    crashed = min(lab.instances())
    lab.signal_etcd(crashed, signal.SIGKILL)
    lab.wait_for((lab.folder(crashed) / "etcd.pid").exists, SETTLE_S, "etcd to be started again")
    lab.wait_for(lambda: deployed.tick()["decision"] == "Settled", SETTLE_S, "all to be settled")
    assert {m["ID"] for m in lab.etcdctl.members()} == before
    assert "ETCD_INITIAL_CLUSTER_STATE=existing" in lab.peers_file(crashed)


def test_an_instance_refresh_replaces_all_and_loses_no_acknowledged_write(deployed: Deployed) -> None:
    lab = deployed.lab
    before = set(lab.instances())
    with Writer(lab.client_urls, lab.tls) as writer:
        lab.refresh()
        lab.wait_for(lambda: lab.refresh_status()[0] == "Successful", SETTLE_S, "the instance refresh")
        deployed.settle(3)
    assert not before & set(lab.instances())
    verdict = writer.verify()
    assert verdict.acknowledged > 0
    assert verdict.lost == []


def test_a_refresh_that_terminates_first_keeps_the_voter_until_its_replacement_votes(deployed: Deployed) -> None:
    lab = deployed.lab
    seen = lab.newest_transition()
    lab.refresh(MinHealthyPercentage=60, MaxHealthyPercentage=100)
    lab.wait_for(lambda: lab.refresh_status()[0] == "Successful", SETTLE_S, "the instance refresh")
    deployed.settle(3)
    moves = [(t["to"]) for t in lab.transitions(after=seen) if t["kind"] == "lifecycle"]
    first_gone = moves.index("Terminating:Proceed")
    assert "InService" in moves[:first_gone], "a voter was let go before any replacement voted"


def test_scaling_out_with_one_lost_and_one_doubled_event(deployed: Deployed) -> None:
    lab = deployed.lab
    lab.control.tell("/events", drop=1, duplicate=1)
    lab.scale(5)
    lab.wait_for(lambda: "Pending:Wait" in lab.instances().values(), SETTLE_S, "a newcomer")
    deployed.tick()
    lab.wait_for(lambda: deployed.tick() and deployed.is_settled(5), SETTLE_S, "five voters in service")


def test_scaling_in_while_aws_throttles(deployed: Deployed) -> None:
    lab = deployed.lab
    for action in ("autoscaling:CompleteLifecycleAction", "ssm:PutParameter", "autoscaling:DescribeAutoScalingGroups"):
        lab.control.tell("/faults", action=action, count=2, code="ThrottlingException")
    lab.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=lab.state.cluster, MinSize=3, MaxSize=5, DesiredCapacity=3
    )
    lab.wait_for(lambda: deployed.tick() and deployed.is_settled(3), SETTLE_S, "three voters in service")


def test_with_the_quorum_lost_nobody_is_let_go_and_all_goes_on_when_it_is_back(deployed: Deployed) -> None:
    lab = deployed.lab
    one, two, _ = sorted(lab.instances())
    members = {m["ID"] for m in lab.etcdctl.members()}
    for instance_id in (one, two):
        lab.signal_etcd(instance_id, signal.SIGSTOP)
    lab.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=False)
    lab.wait_for(lambda: lab.instances().get(one) == "Terminating:Wait", SETTLE_S, "the termination hook")
    look = "autoscaling:DescribeAutoScalingGroups"
    before = deployed.calls()[look]
    lab.tick()
    # Its log is seen when the run has ended, and that goes on looking until its time is up.
    lab.wait_for(lambda: deployed.calls()[look] >= before + 3, SETTLE_S, "the controller to look, and look again")
    assert lab.instances()[one] == "Terminating:Wait"
    for instance_id in (one, two):
        lab.signal_etcd(instance_id, signal.SIGCONT)
    lab.wait_for(lambda: one not in lab.instances(), SETTLE_S, "the terminated instance to be gone")
    lab.wait_for(lambda: deployed.tick() and deployed.is_settled(3), SETTLE_S, "three voters in service")
    assert any(each["reason"] == "QUORUM_LOST" for each in deployed.logged("decision"))
    assert len({m["ID"] for m in lab.etcdctl.members()} & members) >= 1


def test_with_a_record_that_cannot_be_read_a_leaver_is_kept_waiting_until_it_can(deployed: Deployed) -> None:
    lab, ssm = deployed.lab, deployed.lab.client("ssm")
    name = f"/etcd-aws-cluster/{lab.state.cluster}/record"
    found = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    by_hand = json.dumps({key: value for key, value in found.items() if key != "follows"})
    ssm.put_parameter(Name=name, Value="not JSON", Overwrite=True)
    leaver = min(lab.instances())
    lab.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=leaver, ShouldDecrementDesiredCapacity=False)
    lab.wait_for(lambda: lab.instances().get(leaver) == "Terminating:Wait", SETTLE_S, "the termination hook")
    before = deployed.calls()
    assert deployed.tick()["reason"] == "RECORD_UNUSABLE"
    assert (deployed.calls() - before)["autoscaling:RecordLifecycleActionHeartbeat"]
    assert lab.instances()[leaver] == "Terminating:Wait"
    ssm.put_parameter(Name=name, Value=by_hand, Overwrite=True)
    lab.tick()
    lab.wait_for(lambda: leaver not in lab.instances(), SETTLE_S, "the leaver to be gone")
    lab.wait_for(lambda: deployed.tick() and deployed.is_settled(3), SETTLE_S, "three voters in service")


def test_no_lifecycle_action_was_completed_over_and_over(deployed: Deployed) -> None:
    held = [t for t in deployed.lab.transitions() if t["kind"] == "lifecycle" and t["to"].endswith(":Wait")]
    # Twice at most: a reply that was lost, or a group that does not show the completion yet.
    assert len(held) <= deployed.calls()["autoscaling:CompleteLifecycleAction"] <= 2 * len(held)


def test_a_warm_pool_is_read_as_soon_as_the_group_has_one(deployed: Deployed) -> None:
    group = deployed.lab.state.cluster
    deployed.lab.autoscaling.put_warm_pool(AutoScalingGroupName=group, MinSize=0, MaxGroupPreparedCapacity=0)
    before = deployed.calls()
    assert deployed.tick()["decision"] == "Settled"
    deployed.lab.autoscaling.delete_warm_pool(AutoScalingGroupName=group)
    assert (deployed.calls() - before)["autoscaling:DescribeWarmPool"]


def test_an_instance_may_download_what_its_boot_script_does(deployed: Deployed) -> None:
    lab = deployed.lab
    (version,) = lab.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=lab.group()["LaunchTemplate"]["LaunchTemplateId"], Versions=["$Latest"]
    )["LaunchTemplateVersions"]
    files = written_files(base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode())
    s3 = lab.client("s3", role_arn=DeployedRoles(lab).of("Members"))
    stored = re.findall(r"s3://([^/\s']+)/([^\s']+)", files["/etc/etcd-aws-cluster/setup.env"])
    assert stored
    for bucket, key in stored:
        assert s3.get_object(Bucket=bucket, Key=key)["ContentLength"]


def test_the_controller_may_ask_whether_a_host_is_up_as_it_does_for_an_etcd_without_learners(
    deployed: Deployed,
) -> None:
    role_arn = DeployedRoles(deployed.lab).of("Controller")
    group = AutoScalingInstanceGroup(
        autoscaling=deployed.lab.client("autoscaling", role_arn=role_arn),
        ec2=deployed.lab.client("ec2", role_arn=role_arn),
        name=deployed.lab.state.cluster,
        hook_names={},
    )
    assert all(group.passes_status_checks(InstanceId(each)) for each in deployed.lab.instances())


def test_the_controller_may_delete_a_clients_certificate_that_ended_as_it_does_by_the_hour(deployed: Deployed) -> None:
    lab = deployed.lab
    lab.tls.ready()  # a client with a certificate that is good
    prefix = f"/etcd-aws-cluster/{lab.state.cluster}"
    present = set(SsmCertificateTray(ssm=lab.ssm, prefix=prefix).certified(Applicant.CLIENT))
    long_ago = time.time() - 30 * 86400
    subject, key = Subject(name="left"), new_key().public_key()
    ended = new_authority("etcd", 1, now=long_ago).issue(subject, key, life=timedelta(hours=1), now=long_ago)
    lab.ssm.put_parameter(Name=f"{prefix}/client-certificates/left", Type="String", Value=pem(ended))
    tray = SsmCertificateTray(ssm=lab.client("ssm", role_arn=DeployedRoles(lab).of("Controller")), prefix=prefix)

    EndedCertificates(tray=tray, clock=SystemClock(), telemetry=RecordingTelemetry()).tidy()

    assert set(tray.certified(Applicant.CLIENT)) == present != set()


def test_the_roles_did_all_that_they_are_granted_and_nothing_else(deployed: Deployed) -> None:
    roles = DeployedRoles(deployed.lab)
    grants, calls = roles.grants(), roles.calls()
    assert not_granted(grants, calls) == []
    # What the deployment's role does is in test_change.py: this cluster is deployed once.
    grants = roles.grants("Controller", "Members")
    # Of a path AWS's reference does not say whether it or what is below it is checked: both are granted, one is used.
    assert [each for each in unused(grants, calls) if each.action != "ssm:GetParametersByPath"] == []


def test_of_all_private_keys_only_the_ca_s_has_left_the_host_that_made_it(deployed: Deployed) -> None:
    lab = deployed.lab
    for instance_id in lab.instances():
        assert PRIVATE_KEY in (lab.folder(instance_id) / "etc" / "etcd" / "pki" / "host.key").read_text()
    (ca,) = (each["Name"] for each in lab.client("secretsmanager").list_secrets()["SecretList"])
    assert places_of_private_keys(lab) == [ca]


def test_destroyed_and_deployed_again_a_new_generation_forms(deployed: Deployed) -> None:
    lab = deployed.lab
    lab.destroy()
    record = lab.record()
    assert record is not None
    assert not [h for h in lab.hosts() if h["powered"]]
    assert not lab.client("route53").list_hosted_zones()["HostedZones"]
    lab.deploy(SETTINGS)
    lab.wait_in_service(3, SETTLE_S)
    after = lab.record()
    assert after is not None
    assert after["generation"] == record["generation"] + 1
    assert after["token"] != record["token"]
