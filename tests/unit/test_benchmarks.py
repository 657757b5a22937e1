"""What the benchmark of the cluster computes from what it has seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks.cluster import Measured, report
from benchmarks.figures import Figures, ratio, shares, table
from benchmarks.ours import Gaps, Run
from benchmarks.timeline import (
    MissingMomentError,
    etcd_serves_at,
    formation,
    moment,
    parse_log,
    replacement,
    steps,
)

T0 = 1_700_000_000.0


def line(at: float, message: str, **more: str) -> str:
    stamp = datetime.fromtimestamp(T0 + at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
    return json.dumps(
        {"level": "INFO", "timestamp": f"{stamp}+0000", "message": message, **more}, separators=(",", ":")
    )


def decision(at: float, action: str = "", reason: str = "", detail: str = "") -> str:
    return line(at, "decision", kind="Act", action=action, reason=reason, detail=detail)


def change(at: float, instance: str, to: str) -> dict[str, Any]:
    return {"epoch": T0 + at, "at": at, "instance": instance, "to": to}


def test_figures_show_median_fastest_and_slowest() -> None:
    assert str(Figures.of([3.0, 1.0, 2.0])) == "2.00 [1.00-3.00]"
    assert f"{Figures.of([0.0104]):.3f}" == "0.010 [0.010-0.010]"


def test_figures_say_how_many_runs_never_came_to_their_end() -> None:
    assert str(Figures.of([1.0, None])) == "1.00 [1.00-1.00], never in 1 of 2"
    assert str(Figures.of([None, None])) == "never (2 of 2 runs)"


def test_a_ratio_is_that_of_the_medians() -> None:
    assert ratio(Figures.of([8.0, 8.0, 80.0]), Figures.of([1.0])) == "8.0 x"


def test_there_is_no_ratio_to_or_of_what_never_ended() -> None:
    assert ratio(Figures.of([None]), Figures.of([1.0])) == "-"
    assert ratio(Figures.of([1.0]), Figures.of([None])) == "-"


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_shares_are_parts_of_the_medians() -> None:
    assert shares([{"add": 0.1, "agent": 0.3}]) == [("add", "100", "25%"), ("agent", "300", "75%")]


def test_shares_of_no_runs_are_none() -> None:
    assert shares([]) == []


def test_a_step_that_ran_beside_its_predecessor_took_nothing() -> None:
    assert steps(10.0, {"publish": 12.0, "agent": 11.0, "complete": 13.0}) == {
        "publish": 2.0,
        "agent": 0.0,
        "complete": 1.0,
    }


def test_only_the_functions_own_lines_are_read_and_put_in_order() -> None:
    log = parse_log(["START RequestId: x", decision(2.0, "FormCluster"), '{"_aws":{}}', line(1.5, "message")])
    assert [(entry.at - T0, entry.message) for entry in log] == [(1.5, "message"), (2.0, "decision")]


def test_etcd_serves_when_its_log_first_says_so() -> None:
    log = (
        '{"level":"info","ts":1700000000.25,"msg":"recognized"}\n'
        '{"level":"info","ts":"2023-11-14T22:13:21.500Z","caller":"x","msg":"ready to serve client requests"}\n'
        '{"level":"info","ts":"2023-11-14T22:13:29.500Z","caller":"x","msg":"ready to serve client requests"}\n'
    )
    assert etcd_serves_at(log) - T0 == pytest.approx(1.5)


def test_an_etcd_that_never_served_is_said_so() -> None:
    with pytest.raises(MissingMomentError, match="ready to serve"):
        etcd_serves_at('{"level":"info","ts":"2023-11-14T22:13:21.500Z","msg":"starting"}\n')


def test_a_moment_is_the_last_of_its_kind() -> None:
    journal = [change(1.0, "i-1", "booted"), change(2.0, "i-2", "booted")]
    assert moment(journal, "booted")["at"] == 2.0
    assert moment(journal, "booted", instance="i-1")["at"] == 1.0


def test_a_moment_that_the_journal_does_not_have_is_named() -> None:
    with pytest.raises(MissingMomentError, match="InService of i-1"):
        moment([], "InService", instance="i-1")


def test_a_replacement_is_told_step_by_step() -> None:
    journal = [
        change(1.0, "i-new", "Pending:Wait"),
        change(1.5, "i-new", "agent-done"),
        change(2.0, "i-new", "InService"),
    ]
    log = parse_log(
        [
            line(0.5, "message"),
            decision(0.6, "RemoveMember", detail="i-old"),
            line(1.01, "message"),
            decision(1.04, "AddMember", detail="i-new"),
            decision(1.06, "PublishRecord"),
            decision(1.1, reason="LEARNER_CATCHING_UP"),
            decision(1.7, "PublishRecord"),
            decision(1.8, "PromoteMember"),
            decision(1.85, "CompleteLifecycleAction"),
        ]
    )
    took = replacement(journal, log, instance="i-new", etcd_serves=T0 + 1.6)
    assert {name: round(seconds, 3) for name, seconds in took.items()} == {
        "event": 0.01,
        "observe": 0.03,
        "add": 0.02,
        "publish": 0.04,
        "agent": 0.4,
        "etcd start": 0.1,
        "catch-up": 0.2,
        "promote": 0.05,
        "complete": 0.15,
    }


def test_a_formation_is_told_from_the_last_instance_to_the_last_in_service() -> None:
    journal = [
        change(0.9, "i-1", "Pending:Wait"),
        change(1.0, "i-2", "Pending:Wait"),
        change(1.6, "i-1", "agent-done"),
        change(2.5, "i-2", "InService"),
    ]
    log = parse_log(
        [
            line(1.1, "message"),
            decision(1.2, "FormCluster"),
            decision(1.3, reason="FORMING"),
            decision(2.2, "ConcludeFormation", reason="FORMED"),
        ]
    )
    took = formation(journal, log, etcd_serves=T0 + 2.1)
    assert {name: round(seconds, 3) for name, seconds in took.items()} == {
        "event": 0.1,
        "observe": 0.1,
        "publish": 0.1,
        "agent": 0.3,
        "etcd start": 0.5,
        "catch-up": 0.1,
        "complete": 0.3,
    }


def test_a_log_without_the_decision_that_is_looked_for_says_which() -> None:
    with pytest.raises(MissingMomentError, match="AddMember i-new"):
        replacement([], [], instance="i-new", etcd_serves=T0)


def test_a_log_that_ends_too_early_says_where() -> None:
    log = parse_log([decision(1.0, "FormCluster")])
    with pytest.raises(MissingMomentError, match="ends with FormCluster"):
        formation([change(0.5, "i-1", "Pending:Wait")], log, etcd_serves=T0)


def test_the_report_puts_the_three_ways_side_by_side() -> None:
    run = Run(1.5, {"event": 0.5, "agent": 1.0})
    measured = Measured(
        by_hand=[1.0],
        formed=[run],
        formed_cold=[run],
        formed_apart=[run],
        replaced=[run],
        replaced_leader=[Run(2.0, run.steps)],
        gaps=[Gaps(0.01, 0.02, 0.05)],
        seed_formed=[4.0],
        seed_formed_apart=[None],
        seed_replaced=[9.0],
    )
    told = report(measured, machine="a machine")
    assert "| ours, all at once | 1.50 [1.50-1.50] | 1 | 1.5 x |" in told
    assert "| the seed's way, hosts booting after 0/2/4 s, from the last boot | never (1 of 1 runs) | 1 | - |" in told
    assert "| ours, a follower was lost | 1.50 [1.50-1.50] | 1 | 6.0 x |" in told
    assert "| agent | 1000 | 67% | 1000 | 67% | 1000 | 67% |" in told
    assert "| ours: instance refresh of all three | 0.050 [0.050-0.050] | 2.5 x |" in told
