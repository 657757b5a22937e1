"""The checker finds each violation, and nothing where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lab.kv import Header, Stored
from lab.torture import checker
from lab.torture.history import FinalState, History, Read, Seen, Write

CLUSTER = 0xC1


def header(revision: int, cluster: int = CLUSTER) -> Header:
    return Header(cluster_id=cluster, member_id=1, revision=revision, raft_term=2)


def write(number: int, *, revision: int | None = None, attempts: int = 1, began: float | None = None) -> Write:
    """The number-th write: one a second, half a second long, at revision number + 1."""
    start = float(number) if began is None else began
    return Write(f"k{number}", f"v{number}", header(revision or number + 1), attempts, start, start + 0.5)


def kept(*writes: Write) -> dict[str, Stored]:
    return {w.key: Stored(w.value, w.header.revision, w.header.revision, 1) for w in writes}


def member(name: str, number: int, *, learner: bool = False) -> dict[str, Any]:
    return {"name": name, "ID": number, **({"isLearner": True} if learner else {})}


def recorded(name: str, number: int) -> dict[str, Any]:
    return {"instance": name, "id": f"{number:x}"}


WRITES = [write(n) for n in range(3)]
FINAL = FinalState(
    desired=2,
    instances={"i-1": "InService", "i-2": "InService"},
    members=[member("i-1", 17), member("i-2", 18)],
    record={"state": "existing", "members": [recorded("i-2", 18), recorded("i-1", 17)]},
    hashes={"http://a": 7, "http://b": 7},
    kept=kept(*WRITES),
)
HISTORY = History(
    writes=WRITES,
    reads=[Read("k1", header(2), Stored("v1", 2, 2, 1), 1.6)],
    seen=[Seen(0.0, "http://a", CLUSTER, 17, 17, 2)],
)
LEADERS = ['"msg":"a1 became leader at term 2"', "b2 became follower at term 3\nb2 became leader at term 3"]


def test_a_clean_history_has_no_problem() -> None:
    line = json.dumps({"level": "WARNING", "message": "look failed", "error_type": "AwsError"})
    assert checker.judge(HISTORY, FINAL, etcd_logs=LEADERS, function_log=[line, "START RequestId: 1"]) == []


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (None, "is not there"),
        (Stored("other", 2, 2, 1), "acknowledged was 'v1'"),
        (Stored("v1", 3, 3, 1), "has revisions 3 to 3"),
        (Stored("v1", 1, 1, 1), "has revisions 1 to 1"),
        (Stored("v1", 2, 5, 2), "of 2 writes"),
    ],
)
def test_a_lost_write_is_found(found: Stored | None, word: str) -> None:
    there = {**kept(*WRITES), **({"k1": found} if found else {})}
    if found is None:
        del there["k1"]
    (problem,) = checker.lost_writes(WRITES, there)
    assert "k1" in problem
    assert word in problem
    assert problem in checker.judge(HISTORY, replace(FINAL, kept=there), etcd_logs=[], function_log=[])


def test_a_repeated_write_may_have_taken_effect_more_than_once() -> None:
    repeated = [replace(WRITES[1], attempts=2)]
    assert checker.lost_writes(repeated, {"k1": Stored("v1", 2, 9, 2)}) == []
    assert checker.lost_writes(repeated, {"k1": Stored("v1", 1, 2, 2)}) == []
    assert checker.lost_writes(repeated, {"k1": Stored("v1", 1, 9, 3)})
    assert checker.lost_writes(repeated, {"k1": Stored("v1", 9, 9, 1)})


def test_many_lost_writes_are_counted_and_not_all_named() -> None:
    writes = [write(n) for n in range(40)]
    assert checker.lost_writes(writes, {})[-1] == "... and 35 more of these"
    assert len(checker.lost_writes(writes, {}, shown=None)) == 40


def test_two_writes_of_one_revision_are_found() -> None:
    (problem,) = checker.shared_revisions([write(1), write(2, revision=2)])
    assert problem == "revision 2 was given to k1, k2"


def test_a_revision_that_goes_back_in_time_is_found() -> None:
    assert checker.disorder([write(1, revision=9), write(2, revision=8)])
    assert checker.disorder([write(1, revision=9), write(2, revision=8, began=1.4)]) == []  # side by side
    assert checker.disorder([write(2, revision=9), write(1, revision=8), write(3, revision=10)]) == []


def test_a_read_that_misses_an_acknowledged_write_is_found() -> None:
    assert checker.missed_reads([Read("k1", header(9), None, 2.0)], WRITES)
    assert checker.missed_reads([Read("k1", header(9), Stored("v0", 1, 1, 1), 2.0)], WRITES)
    assert checker.missed_reads([Read("k1", header(1), Stored("v1", 2, 2, 1), 2.0)], WRITES)


@pytest.mark.parametrize(
    "history",
    [
        History(writes=[WRITES[0], replace(WRITES[1], header=header(2, 0xBAD))]),
        replace(HISTORY, reads=[Read("k1", header(2, 0xBAD), Stored("v1", 2, 2, 1), 1.6)]),
        replace(HISTORY, seen=[Seen(0.0, "http://a", 0xBAD, 17, 17, 2)]),
    ],
    ids=["write", "read", "status"],
)
def test_a_second_cluster_is_found(history: History) -> None:
    assert "several clusters answered: c1, bad" in checker.judge(history, FINAL, etcd_logs=[], function_log=[])


def test_two_leaders_of_one_term_are_found() -> None:
    assert checker.two_leaders(LEADERS) == []
    assert checker.two_leaders([*LEADERS, "c3 became leader at term 3"]) == ["term 3 had the leaders b2, c3"]
    assert checker.two_leaders(["a1 became leader at term 2"] * 2) == []


def test_members_that_differ_in_content_are_found() -> None:
    assert checker.differing_hashes({"http://a": 1, "http://b": 2}) == ["hashes differ: http://a 1, http://b 2"]


@pytest.mark.parametrize(
    ("final", "word"),
    [
        (replace(FINAL, desired=3), "3 instances in service were wanted"),
        (replace(FINAL, instances={"i-1": "InService", "i-2": "Pending:Wait"}), "2 instances in service were wanted"),
        (replace(FINAL, members=[member("i-1", 17), member("i-3", 18)]), "the members are"),
        (replace(FINAL, members=[member("i-1", 17), member("", 18)]), "the members are"),
        (replace(FINAL, members=[member("i-1", 17), member("i-2", 18, learner=True)]), "learners are left"),
        (replace(FINAL, members=[member("i-1", 17), member("i-2", 19)]), "the record is existing"),
        (replace(FINAL, record={"state": "retired", "members": []}), "the record is retired"),
        (replace(FINAL, record=None), "the record is None"),
    ],
)
def test_a_membership_that_is_not_as_wanted_is_found(final: FinalState, word: str) -> None:
    problems = checker.wrong_membership(final)
    assert any(word in problem for problem in problems), problems
    assert set(problems) <= set(checker.judge(HISTORY, final, etcd_logs=[], function_log=[]))


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"level": "ERROR", "message": "something"}),
        json.dumps({"level": "WARNING", "message": "look failed", "error_type": "RecordError"}),
        "InvariantViolationError: INV-2: no quorum",
        "Traceback (most recent call last):",
    ],
)
def test_what_no_fault_explains_in_the_controllers_log_is_found(line: str) -> None:
    assert checker.alarming_lines([line]) == [f"controller: {line}"]


def test_runs_that_their_timeout_ended_are_counted_and_alarm_nobody() -> None:
    log = ["START RequestId: 1", "Task timed out after 15.00 seconds"]
    assert checker.cut_runs(log) == 1
    assert checker.alarming_lines(log) == []


def test_who_is_let_in_or_out_after_the_majority_was_lost_is_found() -> None:
    moved = {"kind": "lifecycle", "instance": "i-1", "to": "Terminating:Proceed", "at": 9.0}
    assert checker.let_go_without_quorum([moved], lost_at=8.0) == ["i-1 went to Terminating:Proceed without a quorum"]
    assert checker.let_go_without_quorum([moved], lost_at=10.0) == []
    assert checker.let_go_without_quorum([{**moved, "to": "Terminating:Wait"}], lost_at=8.0) == []


def test_decisions_are_read_in_their_order() -> None:
    lines = [json.dumps({"message": "decision", "reason": reason}) for reason in ("FORMED", "QUORUM_LOST")]
    assert checker.decisions([lines[0], "REPORT", '{"message": "run"}', "{broken", lines[1]]) == [
        "FORMED",
        "QUORUM_LOST",
    ]
