"""Alarms, topics and dashboard: what rings when, whom it tells, and that the runbook knows."""

import re
from pathlib import Path
from typing import Any

import pytest

from etcd_aws_cluster.core.telemetry import Metric
from infra import dashboard_picture
from infra.controller import HANDLER
from infra.dashboard_picture import dashboard_body, draw
from infra.settings import Settings, declared_settings
from infra.settings.rules import SettingsError
from tests.infra.stacks import ROOT, function, lint, needed_by, of_type, only, synthesize, text

Template = dict[str, Any]
HTTPS = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}
TOPIC = "arn:aws:sns:eu-west-1:111122223333:on-call"
AT_LEAST, BELOW = "GreaterThanOrEqualToThreshold", "LessThanThreshold"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """The alarms by the names of their constructs."""
    return {
        re.sub(r"^Monitoring(\w+?)[0-9A-F]{8}$", r"\1", name): alarm["Properties"]
        for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items()
    }


@pytest.fixture(scope="module")
def with_tls() -> Template:
    return synthesize(HTTPS)


OWN_PKI = {"etcd:pki": "own", "etcd:controller_tls_source": "ssm:/tls"}
WATCHED = {
    "QuorumLost": f"QuorumLost Maximum/60 s {AT_LEAST} 1, 2 of 2, ignore",
    "QuorumAtRisk": f"QuorumAtRisk Minimum/60 s {AT_LEAST} 1, 5 of 5, missing",
    "NoLeader": f"LeaderKnown Maximum/60 s {BELOW} 1, 3 of 3, missing",
    "MemberDifference": f"MemberDifference Minimum/300 s {AT_LEAST} 1, 6 of 6, missing",
    "JoinOverdue": f"JoinWait Maximum/60 s {AT_LEAST} 900, 1 of 20, missing",
    "Refusing": f"Refused Minimum/300 s {AT_LEAST} 1, 3 of 3, missing",
    "NoSpace": f"NoSpace Maximum/60 s {AT_LEAST} 1, 1 of 1, missing",
    "Corrupt": f"Corrupt Maximum/60 s {AT_LEAST} 1, 1 of 1, missing",
    "DatabaseNearQuota": f"DatabaseUse Maximum/60 s {AT_LEAST} 80, 3 of 3, missing",
    "CertificateEnds": f"CertificateLeft Minimum/60 s {BELOW} {42 * 3600}, 2 of 2, missing",
    "CaEnds": f"CaLeft Minimum/60 s {BELOW} {90 * 24 * 3600}, 2 of 2, missing",
    "FunctionErrors": f"Errors Sum/60 s {AT_LEAST} 1, 2 of 5, notBreaching",
    "ControllerErrors": f"ReconcileErrors Sum/60 s {AT_LEAST} 1, 5 of 5, missing",
    "ChoreErrors": f"ChoreErrors Sum/60 s {AT_LEAST} 1, 5 of 5, missing",
    "DeadLetters": f"ApproximateNumberOfMessagesVisible Maximum/60 s {AT_LEAST} 1, 1 of 1, notBreaching",
    "Silent": f"Tick Maximum/300 s {BELOW} 1, 1 of 1, breaching",
}


def watched(alarm: dict[str, Any]) -> str:
    of = alarm["EvaluationPeriods"]
    return (
        f"{alarm['MetricName']} {alarm['Statistic']}/{alarm['Period']} s "
        f"{alarm['ComparisonOperator']} {alarm['Threshold']}, "
        f"{alarm.get('DatapointsToAlarm', of)} of {of}, {alarm['TreatMissingData']}"
    )


def test_each_alarm_watches_one_metric_and_silence_is_never_taken_for_well(with_tls: Template) -> None:
    assert {name: watched(alarm) for name, alarm in alarms(with_tls).items()} == WATCHED


def test_the_controllers_metrics_are_those_of_this_cluster(with_tls: Template) -> None:
    read = list(alarms(with_tls).values())
    own = [metric for metric in read if metric["Namespace"] == "EtcdAwsCluster"]
    assert len(own) == 14
    assert all(metric["Dimensions"] == [{"Name": "cluster", "Value": "etcd"}] for metric in own)
    others = {text(m["Dimensions"][0]["Value"]) for m in read if m not in own}
    assert len(others) == 2  # the function and the dead-letter queue


def test_a_cluster_without_certificates_has_no_alarm_for_their_end(template: Template) -> None:
    assert alarms(synthesize(HTTPS)).keys() - alarms(template).keys() == {"CertificateEnds", "CaEnds"}


@pytest.mark.parametrize(
    ("context", "hours"),
    [
        ({"etcd:certificate_hours": 8}, 2),
        ({"etcd:certificate_alarm_hours": 82}, 82),
        (OWN_PKI, 336),
    ],
)
def test_a_certificate_rings_by_its_life_unless_hours_are_given(context: dict[str, Any], hours: float) -> None:
    assert alarms(synthesize(HTTPS | context))["CertificateEnds"]["Threshold"] == hours * 3600


@pytest.mark.parametrize(
    ("context", "whose"),
    [({}, "of a member's ends"), (OWN_PKI, "of a member's or the controller's ends")],
)
def test_where_an_operator_renews_the_controllers_certificate_its_end_rings_too(
    context: dict[str, Any], whose: str
) -> None:
    assert whose in text(alarms(synthesize(HTTPS | context))["CertificateEnds"]["AlarmDescription"])


def test_a_ca_rings_days_before_its_end_whoever_made_it() -> None:
    for context in ({}, OWN_PKI):
        alarm = alarms(synthesize(HTTPS | context | {"etcd:ca_alarm_days": 30}))["CaEnds"]
        assert alarm["Threshold"] == 30 * 24 * 3600


def test_an_alarm_for_certificates_that_are_not_to_be_renewed_yet_is_refused() -> None:
    with pytest.raises(SettingsError, match="certificate_alarm_hours: got 83, expected at most 82, two hours less"):
        Settings.from_context({"etcd:certificate_alarm_hours": 83})


@pytest.mark.parametrize(
    ("tick", "run_s", "minutes"), [(1, 60, "maximum"), (7, 60, "maximum"), (60, 60, "minimum"), (1, 290, "maximum")]
)
def test_every_period_has_a_tick_and_a_run_and_cloudwatch_looks_back_far_enough(
    tick: int, run_s: int, minutes: str
) -> None:
    waits = {
        f"etcd:{field.name}": getattr(field.metadata["rule"], minutes)
        for _, field in declared_settings()
        if field.name.endswith("_alarm_min")
    }
    run = {"etcd:function_timeout_s": run_s, "etcd:visibility_timeout_s": 1000}
    hooks = {"etcd:launch_hook_timeout_s": 7200, "etcd:terminate_hook_timeout_s": 7200}
    timing = {"etcd:tick_interval_min": tick, "etcd:join_timeout_s": 7199, **hooks}
    template = synthesize({**timing, **waits, **run, "etcd:rollout": "manual"})
    for name, alarm in alarms(template).items():
        if alarm["Namespace"] == "EtcdAwsCluster":
            assert alarm["Period"] >= max(60 * tick, run_s), name
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        longest = 86400 if alarm["Period"] < 3600 else 7 * 86400
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= longest, name
        assert alarm["EvaluationPeriods"] >= 1


def test_alarms_are_made_when_there_is_something_to_hear(template: Template) -> None:
    ((group, _),) = of_type(template, "AWS::AutoScaling::AutoScalingGroup").items()
    sources = {*of_type(template, "AWS::Events::Rule"), *of_type(template, "AWS::Lambda::EventSourceMapping")}
    for alarm in of_type(template, "AWS::CloudWatch::Alarm"):
        assert needed_by(template, alarm) >= sources | {group}


def test_an_overdue_join_rings_until_the_next_one_has_had_its_time() -> None:
    alarm = alarms(synthesize({"etcd:tick_interval_min": 7, "etcd:join_timeout_s": 1200}))["JoinOverdue"]
    assert alarm["DatapointsToAlarm"] == 1
    assert alarm["EvaluationPeriods"] * alarm["Period"] >= 1200 + 300


def test_thresholds_are_settings() -> None:
    found = alarms(
        synthesize(
            {
                "etcd:quorum_alarm_min": 10,
                "etcd:member_count_alarm_min": 60,
                "etcd:refusal_alarm_min": 20,
                "etcd:database_alarm_percent": 50,
                "etcd:join_timeout_s": 600,
            }
        )
    )
    assert found["QuorumAtRisk"]["EvaluationPeriods"] == 10
    assert found["MemberDifference"]["EvaluationPeriods"] == 12
    assert found["Refusing"]["EvaluationPeriods"] == 4
    assert found["DatabaseNearQuota"]["Threshold"] == 50
    assert found["JoinOverdue"]["Threshold"] == 600


def test_every_metric_of_the_controller_is_read_by_an_alarm_or_a_widget(with_tls: Template) -> None:
    read = {alarm["MetricName"] for alarm in alarms(with_tls).values()}
    for widget in dashboard_body(with_tls)["widgets"]:
        own = (metric for metric in widget["properties"].get("metrics", ()) if metric[0] == "EtcdAwsCluster")
        read |= {metric[1] for metric in own}
    of_others = {"Errors", "ApproximateNumberOfMessagesVisible"}
    assert read - of_others == {metric.value for metric in Metric}


# Whom they tell


def test_without_a_topic_alarms_tell_nobody_and_none_is_made(template: Template) -> None:
    assert not any("AlarmActions" in alarm or "OKActions" in alarm for alarm in alarms(template).values())
    assert not of_type(template, "AWS::SNS::Topic")


def test_a_given_topic_is_told_when_each_rings_and_when_it_is_over() -> None:
    for alarm in alarms(synthesize({"etcd:alarm_topic_arn": TOPIC})).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]


@pytest.fixture(scope="module")
def with_email() -> Template:
    return synthesize({"etcd:alarm_email": "on-call@example.com", "etcd:alarm_topic_arn": TOPIC} | HTTPS)


def test_an_address_gets_a_topic_beside_the_given_one(with_email: Template) -> None:
    ((topic, _),) = of_type(with_email, "AWS::SNS::Topic").items()
    subscription = only(with_email, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "on-call@example.com")
    assert subscription["TopicArn"] == {"Ref": topic}
    for alarm in alarms(with_email).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC, {"Ref": topic}]


def test_the_topic_is_encrypted_by_a_key_that_cloudwatch_of_this_account_may_use(with_email: Template) -> None:
    key_id, _ = only(with_email, "AWS::SNS::Topic")["KmsMasterKeyId"]["Fn::GetAtt"]
    key = of_type(with_email, "AWS::KMS::Key")[key_id]["Properties"]
    assert key["EnableKeyRotation"] is True
    (statement,) = (s for s in key["KeyPolicy"]["Statement"] if "Service" in s["Principal"])
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_only_alarms_of_this_account_publish_to_it_and_only_by_tls(with_email: Template) -> None:
    allow, deny = sorted(
        only(with_email, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"], key=lambda s: str(s["Effect"])
    )
    assert (allow["Effect"], allow["Action"]) == ("Allow", "sns:Publish")
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert (deny["Effect"], deny["Action"]) == ("Deny", "sns:Publish")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_cfn_lint_finds_nothing_where_all_of_it_is_made(with_email: Template, tmp_path: Path) -> None:
    lint(with_email, tmp_path)


# The dashboard


def test_the_dashboard_begins_with_every_alarm(with_tls: Template) -> None:
    first = dashboard_body(with_tls)["widgets"][0]
    assert (first["type"], first["x"], first["y"], first["width"]) == ("alarm", 0, 0, 24)
    assert first["properties"]["alarms"] == list(of_type(with_tls, "AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize("kind", ["template", "with_tls"])
def test_widgets_fill_the_grid_and_none_is_upon_another(kind: str, request: pytest.FixtureRequest) -> None:
    widgets = dashboard_body(request.getfixturevalue(kind))["widgets"]
    cells = [
        (x, y) for w in widgets for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])
    ]
    assert len(cells) == len(set(cells))
    assert set(cells) == {(x, y) for x in range(24) for y in range(max(y for _, y in cells) + 1)}


def test_every_graph_has_a_title_and_every_line_a_label(with_tls: Template) -> None:
    for widget in dashboard_body(with_tls)["widgets"][1:]:
        assert widget["properties"]["title"]
        shown = [metric[-1] for metric in widget["properties"]["metrics"] if metric[-1].get("visible", True)]
        assert all(options.get("label") for options in shown)


def test_a_dashboard_can_be_done_without_and_then_only_metrics_of_alarms_are_published(with_tls: Template) -> None:
    without = synthesize(HTTPS | {"etcd:dashboard": "false"})
    assert not of_type(without, "AWS::CloudWatch::Dashboard")
    read = {alarm["MetricName"] for alarm in alarms(without).values() if alarm["Namespace"] == "EtcdAwsCluster"}
    published = function(without, HANDLER)["Environment"]["Variables"]["PUBLISHED_METRICS"]
    assert set(published.split(",")) == read
    assert len(Metric) - len(read) == 10  # as the setting says
    assert "PUBLISHED_METRICS" not in function(with_tls, HANDLER)["Environment"]["Variables"]


def test_the_picture_in_the_documentation_is_of_the_dashboard_as_it_is_now() -> None:
    drawn = draw(dashboard_body(dashboard_picture.template()))
    assert dashboard_picture.FILE.read_text(encoding="utf-8") == drawn, "make dashboard"


# The runbook


def test_every_alarm_has_its_paragraph_in_the_runbook_and_says_where(with_tls: Template) -> None:
    section = RUNBOOK.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    paragraphs = re.split(r"^### ", section, flags=re.MULTILINE)[1:]
    told = {heading: body for heading, _, body in (paragraph.partition("\n") for paragraph in paragraphs)}

    assert list(told) == list(alarms(with_tls))
    assert all(len(body.split()) > 20 for body in told.values())
    for name, alarm in alarms(with_tls).items():
        assert alarm["AlarmDescription"].startswith("etcd cluster etcd: ")
        assert alarm["AlarmDescription"].endswith(f"docs/runbook.md#{name.lower()}")


def test_settings_that_the_runbook_names_exist() -> None:
    known = {field.name for _, field in declared_settings()}
    assert set(re.findall(r"etcd:([a-z_0-9]+)", RUNBOOK)) <= known


def test_every_metric_is_in_the_documentation() -> None:
    formats = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").partition("## Metrics")[2]
    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", formats)) - {"EtcdAwsCluster"} == {metric.value for metric in Metric}


def test_the_quota_is_told_to_hosts_and_controller_in_bytes() -> None:
    template = synthesize({"etcd:quota_mib": 4096})
    variables = function(template, HANDLER)["Environment"]["Variables"]
    assert variables["ETCD_QUOTA_BACKEND_BYTES"] == str(4 * 1024**3)
    data = only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]
    assert f" ETCD_QUOTA_BACKEND_BYTES={4 * 1024**3}\n" in text(data)
