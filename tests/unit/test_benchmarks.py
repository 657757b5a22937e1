"""What the benchmark of the cluster computes from what it has seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks.by_hand import Replaced
from benchmarks.cluster_report import Measured, part
from benchmarks.figures import Figures, ratio, shares, table
from benchmarks.ours import Run
from benchmarks.part import one_table
from benchmarks.timeline import (
    MissingMomentError,
    decided,
    etcd_serves_at,
    formation,
    moment,
    parse_log,
    replacement,
    steps,
)
from benchmarks.writes import Gaps, Mark, Window, window
from lab.writer import Acknowledged

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


def test_what_a_client_could_notice_is_told_with_its_moment() -> None:
    log = parse_log(
        [
            decision(1.0, "AddMember"),
            line(1.2, "AddMember did not go through"),
            decision(6.0, "PublishRecord"),
            decision(6.5, "PromoteMember"),
            decision(7.0, "MoveLeadership"),
            decision(7.1, "RemoveMember"),
            decision(7.2, "CompleteLifecycleAction"),
            decision(7.3, reason="SETTLED"),
        ]
    )
    assert [(round(at - T0, 3), what) for at, what in decided(log)] == [
        (6.0, "add"),
        (6.5, "promote"),
        (7.0, "transfer"),
        (7.1, "remove"),
        (7.2, "complete"),
    ]


def write(began: float, at: float, tries: int = 1) -> Acknowledged:
    return Acknowledged(f"k{at}", revision=1, at=at, began=began, tries=tries)


def test_a_window_has_the_longest_time_without_an_acknowledgement() -> None:
    told = [write(8.0, 9.9), write(9.9, 10.1), write(10.1, 10.6, tries=3), write(10.6, 10.7), write(10.7, 12.0)]
    seen = window(told, began=10.0, ended=11.0, marks=[Mark(0.2, "remove")])
    assert (round(seen.gap_s, 3), round(seen.gap_at, 3)) == (0.5, 0.1)
    assert [round(took, 3) for _, took in seen.writes] == [0.2, 0.5, 0.1]
    assert (seen.retried, seen.failed, seen.took_s) == (2, 0, 1.0)


def test_a_gap_beside_a_transfer_or_removal_is_told_from_one_that_has_nothing_to_do_with_it() -> None:
    told = [write(1.0, 1.4), write(1.4, 2.0), write(2.0, 2.3), write(2.3, 5.0), write(5.0, 7.0)]
    marks = [Mark(1.1, "transfer"), Mark(3.9, "add")]
    assert round(window(told, began=1.0, ended=8.0, marks=marks).step_s, 3) == 2.7
    assert round(window(told[:3], began=1.0, ended=8.0, marks=marks).step_s, 3) == 0.6
    assert window(told, began=1.0, ended=8.0).step_s == 0.0


def test_the_longest_gap_may_have_begun_before_the_window() -> None:
    assert window([write(8.0, 9.0), write(9.0, 10.5)], began=10.0, ended=11.0).gap_s == 1.5


def test_a_write_that_ordinary_retries_do_not_bring_through_has_failed() -> None:
    assert window([write(1.0, 1.9, tries=6), write(1.9, 2.0, tries=5)], began=1.0, ended=2.0).failed == 1


def test_nothing_acknowledged_is_one_gap() -> None:
    assert window([], began=1.0, ended=4.0).gap_s == 3.0


def test_a_write_that_waited_its_second_in_vain_is_told_apart_from_one_that_was_slow() -> None:
    told = [write(1.0, 2.1, tries=2), write(2.1, 3.2), write(3.2, 3.3, tries=2)]
    assert window(told, began=1.0, ended=4.0).waited == 1


def seen(gap_s: float, failed: int = 0, waited: int = 0, what: str = "remove") -> Window:
    return Window(10.0, gap_s, 1.0, gap_s / 2, failed, failed, waited, ((0.0, 0.002), (1.0, gap_s)), (Mark(1.0, what),))


def everything() -> Measured:
    run = Run(1.5, {"event": 0.5, "agent": 1.0}, since_death_s=2.0)
    lost = {False: [run], True: [Run(2.0, run.steps, since_death_s=4.0)]}
    hand = Replaced(1.0, 0.5, {"add": 0.1, "promote": 0.3, "serves": 0.1})
    bare = (seen(0.02, what="transfer"), seen(1.002, waited=1, what="transfer"))
    gaps = [Gaps((seen(0.01),), bare, (seen(0.05), seen(0.05), seen(1.01, waited=1, what="transfer")))]
    return Measured(
        hand_formed=[1.0],
        formed=[run],
        formed_cold=[run],
        formed_apart=[run],
        replaced=lost,
        hand_replaced={False: [hand], True: [hand]},
        gaps=gaps,
        hand_gaps=[Gaps((), (), (seen(0.04),))],
        hand_formed_tls=[1.0],
        formed_tls=[run],
        old_formed=[run],
        old_formed_apart=[run],
        old_replaced=lost,
        old_gaps=gaps,
        seed_formed=[4.0],
        seed_formed_apart=[None],
        seed_replaced={False: [18.0], True: [18.0]},
        seed_rolled=[(seen(1.2, failed=7), None)],
    )


def test_the_rows_put_the_three_ways_side_by_side() -> None:
    told = one_table(part(everything()).rows)
    hand = "by hand | 1.00 [1.00-1.00] | 1.50 x | at most 1.5 x: held |"
    assert f"| formation, all at once | s | 1.50 [1.50-1.50] | {hand}" in told
    seed = "the seed's way | 18.00 [18.00-18.00]"
    assert f"| replacement, etcd 3.4, a follower was lost | s | 1.50 [1.50-1.50] | {seed} | 12 x |" in told
    assert f"| replacement, etcd 3.4, the leader was lost | s | 2.00 [2.00-2.00] | {seed} | 9.00 x |" in told
    assert "the seed's way | never (1 of 1 runs) | - |" in told
    transfer = "one bare leadership transfer | 20 [20-20] | 2.50 x | at most 1.5 x: missed |"
    assert f"| rolling refresh, longest gap, no write dropped | ms | 50 [50-50] | {transfer}" in told
    assert (
        "| rolling refresh, longest gap, all | ms | 50 [50-1010] | one bare leadership transfer | 511 [20-1002]" in told
    )


def test_the_words_tell_steps_and_failed_writes() -> None:
    told = part(everything()).text
    assert "| agent | 1000 | 67% | 1000 | 67% | 1000 | 67% | 1000 | 67% |" in told
    assert "| promote | 300 | 60% |" in told
    assert (
        "| one bare leadership transfer | 2 | 20 [20-20] | 10 [10-10] | 511 [20-1002] | 1 | 2 | 0 [0-0] | 0 |" in told
    )
    seed = "1 | 1200 [1200-1200] | 600 [600-600] | 1200 [1200-1200] | 0 | 0 | 7 [7-7] | 7 |"
    assert f"| etcd 3.4: the seed's way, host by host | {seed}" in told


def test_the_raw_data_is_json_and_the_pictures_are_drawings() -> None:
    told = part(everything())
    raw = json.loads(json.dumps(told.raw))
    assert raw["replaced"]["leader"][0]["took_s"] == 2.0
    assert raw["seed_rolled"] == [[{**seen(1.2, failed=7).to_json(), "marks": [[1.0, "remove"]]}, None]]
    assert sorted(told.pictures) == ["cluster-refresh", "cluster-refresh-seed", "cluster-steps"]
    assert all(svg.rstrip().endswith("</svg>") for svg in told.pictures.values())
