"""What becomes a metric, and what is only logged."""

from __future__ import annotations

import json

import pytest
from aws_lambda_powertools import Metrics

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.observability import Telemetry, logger


def test_what_nobody_reads_is_logged_in_the_line_of_the_metrics_and_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = Metrics(namespace="Test", service="")
    metrics.provider.clear_metrics()  # Powertools shares them between all of its objects
    telemetry = Telemetry(logger=logger, metrics=metrics, cluster="etcd", published={Metric.TICK, Metric.QUORUM_LOST})
    telemetry.count(Metric.TICK)
    telemetry.gauge(Metric.QUORUM_LOST, value=False)
    telemetry.gauge(Metric.VOTERS, 3)

    telemetry.publish()
    metrics.provider.flush_metrics()

    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert {each["Name"] for each in directive["Metrics"]} == {"Tick", "QuorumLost"}
    assert line["Voters"] == 3
    assert line["MembershipChanges"] == 0

    telemetry.publish()
    metrics.provider.flush_metrics()

    assert "Voters" not in json.loads(capsys.readouterr().out)


def test_trouble_is_logged_in_a_line_and_a_mistake_of_ours_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(logger=logger, metrics=Metrics(namespace="Test", service=""), cluster="etcd")
    for problem in (AwsError("no"), KeyError("oops")):
        try:
            raise problem
        except (AwsError, KeyError) as error:
            telemetry.trouble("chore did not work", error)

    expected, mistake = caplog.records

    assert vars(expected)["error_type"] == "AwsError"
    assert not expected.exc_info
    assert mistake.exc_info
