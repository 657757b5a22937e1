"""The whole agent against a scripted AWS on loopback, with real files."""

from __future__ import annotations

import base64
import json
import os

import pytest

from etcd_aws_agent import transport
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import (
    INSTANCE,
    FakeAws,
    Scripted,
    form,
    parameter,
    ssm_error,
    tags_error,
    tags_page,
)
from tests.unit.agent.records import INITIAL_CLUSTER_TOKEN, a_record, an_entry, two_others

LISTED = parameter(a_record(an_entry(), *two_others()))
STARTED = parameter(a_record(an_entry(started=True), *two_others()))
UNLISTED = parameter(a_record(*two_others()))


def test_a_fresh_instance_gets_its_marker_and_its_file(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]

    assert host.run() == 0

    assert host.values()["ETCD_NAME"] == INSTANCE
    assert json.loads(host.marker_file.read_text()) == {"token": INITIAL_CLUSTER_TOKEN, "life": "g1"}


def test_it_reads_only_its_own_parameter_with_the_role_of_the_instance(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.run()

    ((headers, body),) = aws.posts()

    assert headers["x-amz-target"] == "AmazonSSM.GetParameter"
    assert json.loads(body) == {"Name": "/etcd-aws-cluster/etcd/record"}
    assert "Credential=ROLEKEY/" in headers["authorization"]
    assert "/us-east-1/ssm/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "session"


def test_metadata_is_never_asked_without_a_token(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.run()

    gets = [headers for method, _, headers, _ in aws.requests if method == "GET"]

    assert gets
    assert all("x-aws-ec2-metadata-token" in headers for headers in gets)


def test_where_metadata_hands_out_no_token_there_is_no_way_back_to_version_1(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.token_status = 403
    host.env["AGENT_DEADLINE_S"] = "0.1"

    assert host.run() == 11

    assert not [path for path in aws.paths() if path.startswith("GET")]
    assert "PUT /latest/api/token answered 403" in capsys.readouterr().err


def test_keys_of_the_environment_win_over_the_role_and_a_region_over_the_instances(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.env.update(AWS_ACCESS_KEY_ID="ENVKEY", AWS_SECRET_ACCESS_KEY="s", AWS_REGION="eu-west-1")

    assert host.run() == 0

    assert "Credential=ENVKEY/" in aws.posts()[0][0]["authorization"]
    assert "/eu-west-1/ssm/" in aws.posts()[0][0]["authorization"]


@pytest.mark.parametrize(("name", "section"), [("credentials", "default"), ("config", "default")])
def test_keys_of_the_shared_files_are_found(host: Host, aws: FakeAws, name: str, section: str) -> None:
    aws.ssm = [LISTED]
    folder = host.root.parent / "home" / ".aws"
    folder.mkdir(parents=True)
    (folder / name).write_text(f"[{section}]\naws_access_key_id = FILEKEY\naws_secret_access_key = s\n")

    assert host.run() == 0

    assert "Credential=FILEKEY/" in aws.posts()[0][0]["authorization"]


@pytest.mark.parametrize(
    ("field", "value", "exit_code"),
    [
        ("region", None, 1),
        ("region", "us east", 1),
        ("instanceId", "", 2),
        ("instanceId", 'i-1"', 2),
        ("privateIp", "10.0.0", 3),
        ("privateIp", None, 3),
    ],
)
def test_each_missing_fact_about_the_instance_has_the_seeds_exit_code(
    host: Host, aws: FakeAws, field: str, value: str | None, exit_code: int
) -> None:
    aws.document[field] = value

    assert host.run() == exit_code
    assert not host.peers_file.exists()


@pytest.mark.parametrize("document", [b"<html>401</html>", b"[]"])
def test_a_page_that_is_no_document_is_no_identity(host: Host, aws: FakeAws, document: bytes) -> None:
    aws.raw_document = document
    host.env["AGENT_DEADLINE_S"] = "0.1"

    assert host.run() == 11


def test_it_waits_until_the_controller_lists_it(host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.ssm = [ssm_error("ParameterNotFound"), ssm_error("ParameterNotFound"), UNLISTED, LISTED]

    assert host.run() == 0

    lines = capsys.readouterr().err.splitlines()
    written = 'event=write reason="listed, to start for the first time"'
    assert [line.split(" waited_s")[0] for line in lines] == [
        'etcd-aws-agent event=waiting reason="no record yet"',
        'etcd-aws-agent event=waiting reason="not listed in the record yet"',
        f"etcd-aws-agent {written} instance={INSTANCE} cluster=etcd state=existing file={host.peers_file} changed=true",
    ]


@pytest.mark.parametrize(
    "trouble",
    [
        ssm_error("ThrottlingException"),
        ssm_error("InternalServerError", 500),
        Scripted(503, b"<html>busy</html>"),
        ssm_error("AccessDeniedException", message="not authorized to perform ssm:GetParameter"),
        ssm_error("ExpiredTokenException"),
        Scripted(200, b"{}"),
        Scripted(200, b"not json"),
        Scripted(200, b"[]"),
        Scripted(200, b"x" * (transport.LONGEST_ANSWER_BYTES + 1)),
    ],
    ids=lambda scripted: f"{scripted.status}-{scripted.body[:36]!r}",
)
def test_trouble_is_neither_an_answer_nor_the_end(host: Host, aws: FakeAws, trouble: Scripted) -> None:
    aws.ssm = [trouble, LISTED]

    assert host.run() == 0
    assert host.peers_file.exists()


def test_an_answer_that_drips_is_cut_off(host: Host, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.attempt_time_limit.__wrapped__, "__defaults__", (0.3,))  # type: ignore[attr-defined]
    aws.ssm = [Scripted(200, b"x" * 1000, drip_s=0.05), LISTED]

    assert host.run() == 0


def test_access_denied_names_action_and_parameter_and_is_said_once(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = ssm_error("AccessDeniedException", message="not authorized")
    aws.ssm = [denied, denied, denied, LISTED]
    host.env["AGENT_DEADLINE_S"] = "60"

    assert host.run() == 0

    said = [line for line in capsys.readouterr().err.splitlines() if "AccessDenied" in line]
    assert len(said) == 1
    assert "ssm:GetParameter /etcd-aws-cluster/etcd/record: 400 AccessDeniedException not authorized" in said[0]


def test_without_credentials_it_says_so_at_the_deadline(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.role = False
    host.env["AGENT_DEADLINE_S"] = "0.2"

    assert host.run() == 13
    assert "no AWS credentials" in capsys.readouterr().err
    assert not aws.posts()


def test_never_listed_ends_at_the_deadline_and_writes_nothing(host: Host, aws: FakeAws) -> None:
    aws.ssm = [UNLISTED]
    host.env["AGENT_DEADLINE_S"] = "0.1"
    before = host.contents()

    assert host.run() == 12
    assert host.contents() == before


def test_a_record_of_another_schema_is_an_error_that_names_it(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.ssm = [parameter(a_record(an_entry(), schema=2))]

    assert host.run() == 14
    assert "/etcd-aws-cluster/etcd/record: schema 2 found, schema 1 expected" in capsys.readouterr().err


def test_data_of_another_life_is_moved_and_then_the_file_written(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.has_run_before()

    assert host.run() == 0

    assert [path.read_text() for path in host.precious()] == ["precious"]
    assert not (host.data_dir / "member").exists()
    assert host.peers_file.exists()


def test_etcd_restarted_before_the_record_says_so_keeps_its_data(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.run()
    host.has_run_before()
    before = host.contents()

    assert host.run() == 0
    assert host.contents() == before


def test_a_removed_member_is_refused_and_nothing_is_touched(host: Host, aws: FakeAws) -> None:
    aws.ssm = [UNLISTED]
    host.has_run_before()
    host.has_marker()
    host.has_peers_file()
    before = host.contents()

    assert host.run() == 15
    assert host.contents() == before


def test_lost_data_is_refused_and_nothing_is_touched(host: Host, aws: FakeAws) -> None:
    aws.ssm = [STARTED]
    host.has_marker()
    before = host.contents()

    assert host.run() == 16
    assert host.contents() == before


def test_data_of_another_cluster_is_refused(host: Host, aws: FakeAws) -> None:
    aws.ssm = [STARTED]
    host.has_run_before()
    host.has_marker(token="etcd-other-g7")

    assert host.run() == 17


def test_a_changed_address_is_refused(host: Host, aws: FakeAws) -> None:
    aws.ssm = [STARTED]
    aws.document["privateIp"] = "10.0.0.41"
    host.has_run_before()

    assert host.run() == 18


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a path that even root cannot write")
def test_a_disk_that_cannot_be_written_has_its_own_exit_code(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.env["ETCD_PEERS_FILE"] = "/proc/etcd-peers"

    assert host.run() == 19


def test_the_parameter_deleted_a_rebooting_etcd_starts_from_its_own_file(host: Host, aws: FakeAws) -> None:
    host.has_run_before()
    text = host.has_peers_file()

    assert host.run() == 0
    assert host.peers_file.read_text() == text


def test_a_crash_between_marker_and_file_is_made_good(host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.has_marker()

    assert host.run() == 0
    assert host.peers_file.exists()


def test_a_dry_run_prints_the_file_and_changes_nothing(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.ssm = [LISTED]
    host.has_run_before()
    before = host.contents()

    assert host.run("--dry-run") == 0

    captured = capsys.readouterr()
    assert host.contents() == before
    assert captured.out.startswith("ETCD_INITIAL_CLUSTER_STATE=existing\n")
    assert "would=write" in captured.err
    assert "moves_data_aside=true" in captured.err


def test_a_dry_run_does_not_wait(host: Host, aws: FakeAws) -> None:
    aws.ssm = [UNLISTED]
    host.env["AGENT_DEADLINE_S"] = "0"

    assert host.run("--dry-run") == 12


def test_a_proxy_follows_the_group_it_is_told(host: Host, aws: FakeAws) -> None:
    aws.ssm = [ssm_error("ParameterNotFound"), UNLISTED]
    host.env["PROXY_ASG"] = "other"

    assert host.run() == 0

    assert host.values()["ETCD_PROXY"] == "on"
    assert json.loads(aws.posts()[-1][1]) == {"Name": "/etcd-aws-cluster/other/record"}
    assert not host.marker_file.exists()


def test_a_proxy_finds_the_group_by_the_exact_name_tag(host: Host, aws: FakeAws) -> None:
    tag = "etcd & friends"
    aws.tags = [
        tags_page([("asg-1", "Name", tag + " 2"), ("asg-2", "Role", tag)], "more"),
        tags_page([("asg-3", "Name", tag)]),
    ]
    aws.ssm = [UNLISTED]
    host.env.update(PROXY_ASG=tag, ASG_BY_TAG="true")

    assert host.run() == 0

    first, second, get_parameter = (body for _, body in aws.posts())
    assert form(first) == {
        "Action": "DescribeTags",
        "Version": "2011-01-01",
        "Filters.member.1.Name": "key",
        "Filters.member.1.Values.member.1": "Name",
        "Filters.member.2.Name": "value",
        "Filters.member.2.Values.member.1": tag,
    }
    assert form(second)["NextToken"] == "more"
    assert json.loads(get_parameter) == {"Name": "/etcd-aws-cluster/asg-3/record"}


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [([], "no group found"), ([("asg-1", "Name", "etcd"), ("asg-2", "Name", "etcd")], "groups asg-1, asg-2 found")],
)
def test_no_group_or_several_of_that_name_is_an_error(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str], tags: list[tuple[str, str, str]], complaint: str
) -> None:
    aws.tags = [tags_page(tags)]
    host.env.update(PROXY_ASG="etcd", ASG_BY_TAG="1")

    assert host.run() == 4
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "trouble", [tags_error("Throttling", 400), tags_error("AccessDenied", 403), Scripted(502, b"")]
)
def test_trouble_with_tags_is_not_an_unknown_group(host: Host, aws: FakeAws, trouble: Scripted) -> None:
    aws.tags = [trouble, tags_page([("asg-3", "Name", "etcd")])]
    aws.ssm = [UNLISTED]
    host.env.update(PROXY_ASG="etcd", ASG_BY_TAG="1")

    assert host.run() == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--watch", "30"], "--watch 30; expected"),
        (["--cluster-name", "a b"], "CLUSTER_NAME='a b'"),
        (["--agent-deadline-s", "soon"], "AGENT_DEADLINE_S='soon'"),
    ],
)
def test_wrong_usage_has_its_own_exit_code(
    host: Host, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert host.run(*arguments) == 64
    assert complaint in capsys.readouterr().err


def test_an_unknown_flag_is_not_taken_for_an_unknown_instance_id(host: Host) -> None:
    with pytest.raises(SystemExit) as caught:
        host.run("--colour")

    assert caught.value.code == 64


def test_settings_of_the_seed_without_meaning_are_said(
    host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.ssm = [LISTED]
    host.env.update(RETRY_TIMES="10", ETCD_CURLOPTS="-k")

    assert host.run() == 0

    said = capsys.readouterr().err
    assert "RETRY_TIMES has no meaning any more" in said
    assert "ETCD_CURLOPTS has no meaning any more" in said


def test_no_secret_is_ever_said(host: Host, aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    secret = base64.b64encode(b"a secret of some length").decode()
    aws.ssm = [ssm_error("AccessDeniedException"), Scripted(500, b""), LISTED]
    host.env.update(AWS_ACCESS_KEY_ID="ENVKEY", AWS_SECRET_ACCESS_KEY=secret, AWS_SESSION_TOKEN=secret[::-1])

    assert host.run() == 0

    captured = capsys.readouterr()
    assert not any(part in captured.err + captured.out for part in (secret, secret[::-1], "ENVKEY"))
