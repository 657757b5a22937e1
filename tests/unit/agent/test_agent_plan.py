"""The truth table, row by row."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from etcd_aws_agent.errors import ExitCode, RecordError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import (
    OUTAGE_PATIENCE_S,
    Absent,
    Action,
    Decision,
    Local,
    Marker,
    Reading,
    Unreadable,
    plan_member,
    plan_proxy,
)
from etcd_aws_agent.record import parse_record
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE
from tests.unit.agent.records import INITIAL_CLUSTER_TOKEN, a_record, an_entry, two_others

ME = Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1")
G1 = Marker(INITIAL_CLUSTER_TOKEN, "g1")


def record(*entries: dict[str, Any], state: str = "existing") -> Reading:
    return parse_record(a_record(*entries, *two_others(), state=state), parameter="p")


def disk(*, wal: bool = False, marker: Marker | None = None, own_file: bool = False) -> Local:
    return Local(has_wal=wal, marker=marker, has_own_file=own_file)


LISTED = record(an_entry())
FORMING = record(an_entry(), state="new")
STARTED = record(an_entry(started=True))
UNLISTED = record()
RETIRED = record(an_entry(started=True), state="retired")
CORRUPT = RecordError("p: is not JSON")
OUTAGE = Unreadable("p: timed out", for_s=OUTAGE_PATIENCE_S)
BLINK = Unreadable("p: timed out", for_s=0.1)
JOINER = record(an_entry(life="8e9e05c52164694d"))


@pytest.mark.parametrize(
    ("sentence", "reading", "local", "action", "facts"),
    [
        ("no record: waits", Absent(), disk(), Action.WAIT, {"exit_code": ExitCode.NOT_LISTED_IN_TIME}),
        ("no record, an image's file: waits", Absent(), disk(wal=True), Action.WAIT, {}),
        ("no record, data and own file: local data decides", Absent(), disk(wal=True, own_file=True), Action.KEEP, {}),
        ("no record, own file but no data: waits", Absent(), disk(own_file=True), Action.WAIT, {}),
        ("retired is no record", RETIRED, disk(marker=G1), Action.WAIT, {}),
        ("retired with data and own file: keeps", RETIRED, disk(wal=True, own_file=True), Action.KEEP, {}),
        ("not listed, no data: waits", UNLISTED, disk(own_file=True), Action.WAIT, {}),
        (
            "not listed, with data: refuses as removed",
            UNLISTED,
            disk(wal=True, marker=G1, own_file=True),
            Action.REFUSE,
            {"exit_code": ExitCode.MEMBER_REMOVED},
        ),
        ("cohort of a new cluster: new", FORMING, disk(), Action.WRITE, {"state": "new", "marker": G1}),
        ("cohort member late to a formed one: existing", LISTED, disk(), Action.WRITE, {"state": "existing"}),
        (
            "added while forming: existing",
            record(an_entry(life="8e9e"), state="new"),
            disk(),
            Action.WRITE,
            {"state": "existing"},
        ),
        (
            "restarted while forming: keeps its log",
            FORMING,
            disk(wal=True, marker=G1),
            Action.WRITE,
            {"moves_data_aside": False, "state": "new"},
        ),
        ("data without marker: aside", LISTED, disk(wal=True), Action.WRITE, {"moves_data_aside": True, "marker": G1}),
        ("data of an earlier life: aside", JOINER, disk(wal=True, marker=G1), Action.WRITE, {"moves_data_aside": True}),
        (
            "data of another token: aside",
            FORMING,
            disk(wal=True, marker=Marker("etcd-other-g1", "g1")),
            Action.WRITE,
            {"moves_data_aside": True},
        ),
        (
            "started, data there: existing",
            STARTED,
            disk(wal=True, marker=G1),
            Action.WRITE,
            {"state": "existing", "marker": None, "moves_data_aside": False},
        ),
        ("started and adopted, no marker: fine", STARTED, disk(wal=True), Action.WRITE, {"moves_data_aside": False}),
        (
            "started, data of another cluster: refuses",
            STARTED,
            disk(wal=True, marker=Marker("etcd-other-g1", "g1")),
            Action.REFUSE,
            {"exit_code": ExitCode.DATA_OF_ANOTHER_CLUSTER},
        ),
        (
            "started, data lost: refuses",
            STARTED,
            disk(marker=G1, own_file=True),
            Action.REFUSE,
            {"exit_code": ExitCode.DATA_LOST},
        ),
        (
            "address changed: refuses",
            record(an_entry(address="10.0.0.41", started=True)),
            disk(wal=True),
            Action.REFUSE,
            {"exit_code": ExitCode.ADDRESS_CHANGED},
        ),
        (
            "one of two peer URLs is mine",
            record(an_entry(peer_urls=["http://10.9.9.9:2380", f"http://{ADDRESS}:2380"])),
            disk(),
            Action.WRITE,
            {},
        ),
        (
            "a host name cannot be compared",
            record(an_entry(peer_urls=["https://a.example:2380"], started=True)),
            disk(wal=True),
            Action.WRITE,
            {},
        ),
        ("outage is not absence: waits", BLINK, disk(wal=True, own_file=True), Action.WAIT, {}),
        ("long outage with data and file: keeps", OUTAGE, disk(wal=True, own_file=True), Action.KEEP, {}),
        (
            "long outage without data: waits",
            OUTAGE,
            disk(own_file=True),
            Action.WAIT,
            {"exit_code": ExitCode.RECORD_NOT_READ_IN_TIME},
        ),
        ("corrupt record: refuses", CORRUPT, disk(), Action.REFUSE, {"exit_code": ExitCode.RECORD_UNUSABLE}),
        ("corrupt record, data and file: keeps", CORRUPT, disk(wal=True, own_file=True), Action.KEEP, {}),
        (
            "matched by name when the instance is unknown",
            record(an_entry(None, name=INSTANCE, started=True)),
            disk(wal=True),
            Action.WRITE,
            {},
        ),
    ],
)
def test_a_member(sentence: str, reading: Reading, local: Local, action: Action, facts: dict[str, Any]) -> None:
    decision = plan_member(reading, ME, local)

    assert decision.action is action, sentence
    assert {key: getattr(decision, key) for key in facts} == facts, sentence
    assert decision.reason


@pytest.mark.parametrize(
    ("sentence", "reading", "own_file", "action"),
    [
        ("voters listed: writes", STARTED, False, Action.WRITE),
        ("no record: waits", Absent(), False, Action.WAIT),
        ("retired: waits", RETIRED, False, Action.WAIT),
        ("retired, a list is there: keeps", RETIRED, True, Action.KEEP),
        ("only learners: waits", parse_record(a_record(an_entry(learner=True)), parameter="p"), False, Action.WAIT),
        ("outage, a list is there: keeps", OUTAGE, True, Action.KEEP),
        ("outage at the first boot: waits", OUTAGE, False, Action.WAIT),
        ("corrupt at the first boot: refuses", CORRUPT, False, Action.REFUSE),
        ("corrupt, a list is there: keeps", CORRUPT, True, Action.KEEP),
    ],
)
def test_a_proxy(*, sentence: str, reading: Reading, own_file: bool, action: Action) -> None:
    assert plan_proxy(reading, has_own_file=own_file).action is action, sentence


def every_case() -> list[tuple[Reading, Local, Decision]]:
    readings = [Absent(), LISTED, FORMING, JOINER, STARTED, UNLISTED, RETIRED, CORRUPT, OUTAGE, BLINK]
    markers = [None, G1, Marker("etcd-other-g1", "g1")]
    disks = [
        disk(wal=wal, marker=marker, own_file=own_file)
        for wal, marker, own_file in itertools.product((False, True), markers, (False, True))
    ]
    return [(reading, local, plan_member(reading, ME, local)) for reading in readings for local in disks]


def test_new_is_only_ever_said_from_a_record_in_state_new_that_lists_me_unstarted() -> None:
    assert {id(reading) for reading, _, decision in every_case() if decision.state == "new"} == {id(FORMING)}


def test_data_is_moved_aside_only_when_listed_unstarted_and_only_if_there_is_data() -> None:
    moved = [(reading, local) for reading, local, decision in every_case() if decision.moves_data_aside]

    assert moved
    assert all(reading in (LISTED, FORMING, JOINER) and local.has_wal for reading, local in moved)


def test_without_a_readable_record_nothing_is_ever_written_or_moved() -> None:
    decisions = [d for reading, _, d in every_case() if isinstance(reading, (Absent, Unreadable, RecordError))]

    assert {decision.action for decision in decisions} == {Action.WAIT, Action.KEEP, Action.REFUSE}
    assert not any(decision.moves_data_aside or decision.marker for decision in decisions)
