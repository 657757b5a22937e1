"""What the benchmark of a host's boot computes, and the AWS that it plays."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.agent import AGENT, FIRST_TLS, SEED_WAY, WITH_PAUSE, Boot, rows
from benchmarks.processes import Cost, cost_of, peak_of_all, size_mib
from benchmarks.seed_host import SCENARIOS, OneHostsAws, Scenario, agent_environment, seed_environment
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import Action, Local, plan_member, plan_proxy
from etcd_aws_agent.record import parse_record
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE
from tests.unit.agent.fake_pki import RECORD

SIZES = {"agent, unpacked and compiled": 4.0, "the aws tool": 100.0}
MEMBER, PROXY, FIRST = SCENARIOS


def a_boot(scenario: Scenario, way: str, seconds: float) -> Boot:
    return Boot(scenario, way, [], {}, lambda: None, [Cost(seconds, seconds / 2, seconds * 10)])


def test_each_boot_is_compared_with_the_seed_s_of_the_same_scenario() -> None:
    boots = [a_boot(each, AGENT, 0.1) for each in SCENARIOS]
    boots += [a_boot(each, SEED_WAY, float(number)) for number, each in enumerate(SCENARIOS, start=1)]
    boots += [a_boot(MEMBER, FIRST_TLS, 0.5), a_boot(MEMBER, WITH_PAUSE, 4.0)]

    told = {row.what: row.ratio for row in rows(boots, SIZES) if row.against == SEED_WAY}

    assert told["boot, joins three: wall"] == pytest.approx(10)
    assert told["boot, a proxy of three: CPU"] == pytest.approx(20)
    assert told["boot, the first of a new cluster: wall"] == pytest.approx(30)
    assert told["boot, joins three, with a certificate: wall"] == pytest.approx(0.5)


def test_without_the_seed_s_tools_there_is_nothing_to_compare() -> None:
    assert rows([a_boot(MEMBER, AGENT, 0.1)], SIZES) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_agent_has_something_to_write_in_every_scenario(scenario: Scenario) -> None:
    record = parse_record(scenario.record(), parameter=RECORD)
    if scenario.is_proxy:
        decision = plan_proxy(record, has_own_file=False)
    else:
        identity = Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1")
        decision = plan_member(record, identity, Local(has_wal=False, marker=None, has_own_file=False))
        assert decision.state == ("existing" if scenario.others else "new")
    assert decision.action is Action.WRITE


def test_the_seed_is_told_of_the_same_instances() -> None:
    aws = OneHostsAws()
    for scenario in SCENARIOS:
        aws.play(scenario)
        groups, instances = (
            aws.answer("POST", "/", {}, f"Action={action}&Version=1").body.decode()
            for action in ("DescribeAutoScalingGroups", "DescribeInstances")
        )
        for instance_id, address in scenario.group.items():
            assert f"<InstanceId>{instance_id}</InstanceId>" in groups
            assert f"<privateIpAddress>{address}</privateIpAddress>" in instances
        assert (INSTANCE in groups) is not scenario.is_proxy


def test_instance_metadata_answers_both_versions() -> None:
    aws = OneHostsAws()
    assert aws.answer("GET", "/latest/meta-data/instance-id", {}, "").body.decode() == INSTANCE
    assert aws.answer("GET", "/latest/meta-data/local-ipv4", {}, "").body.decode() == ADDRESS
    assert aws.answer("PUT", "/latest/api/token", {}, "").status == 200


def test_only_the_agent_is_asked_for_a_certificate_and_only_a_proxy_names_another_group(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    assert agent_environment(MEMBER, url, tmp_path, is_https=True)["ETCD_PKI"] == "automatic"
    assert "ETCD_PKI" not in agent_environment(FIRST, url, tmp_path, is_https=False)
    assert agent_environment(PROXY, url, tmp_path, is_https=False)["PROXY_ASG"] == "etcd"


def test_the_seed_s_pause_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.seed_host.aws_program", lambda: tmp_path / "bin" / "aws")
    env = seed_environment(PROXY, "http://127.0.0.1:1", tmp_path, pause_s=0.0)
    assert (env["PAUSE_S"], env["PROXY_ASG"], env["ETCD_CLIENT_PORT"]) == ("0", "etcd", "1")


def test_a_command_that_fails_has_no_cost() -> None:
    with pytest.raises(RuntimeError, match="last words"):
        cost_of(sys.executable, [sys.executable, "-c", "import sys; sys.exit('last words')"], dict(os.environ))


def test_memory_counts_children_too() -> None:
    hungry = "import time; held = b'x' * (100 << 20); time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}])"
    assert peak_of_all([sys.executable, "-c", parent], dict(os.environ)) > 100


def test_sizes_are_of_files_and_of_all_below_folders(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a").write_bytes(bytes(2**20))
    (tmp_path / "b").write_bytes(bytes(2**19))
    (tmp_path / "deep" / "link").symlink_to(tmp_path / "b")
    assert size_mib([tmp_path / "deep", tmp_path / "b"]) == pytest.approx(1.5)
