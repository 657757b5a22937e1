"""Judges what the clients saw and how the cluster was in the end. Pure; each function returns what is wrong."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lab.kv import Stored
    from lab.torture.history import FinalState, History, Read, Write

_BECAME_LEADER: Final = re.compile(r"\b([0-9a-f]+) became leader at term (\d+)")
_SHOWN: Final = 5
_ALARMING: Final = ("InvariantViolationError", "Traceback", "[ERROR]")
_TIMED_OUT: Final = "Task timed out"  # no alarm: the next run goes on, as after any cut


def judge(history: History, final: FinalState, *, etcd_logs: Iterable[str], function_log: Iterable[str]) -> list[str]:
    """Everything that is wrong, in words; nothing if all is well."""
    clusters = [write.header.cluster_id for write in history.writes]
    clusters += [read.header.cluster_id for read in history.reads]
    clusters += [seen.cluster_id for seen in history.seen]
    return [
        *lost_writes(history.writes, final.kept),
        *shared_revisions(history.writes),
        *disorder(history.writes),
        *missed_reads(history.reads, history.writes),
        *foreign_clusters(clusters),
        *two_leaders(etcd_logs),
        *differing_hashes(final.hashes),
        *wrong_membership(final),
        *alarming_lines(function_log),
    ]


def lost_writes(writes: Iterable[Write], kept: Mapping[str, Stored], *, shown: int | None = _SHOWN) -> list[str]:
    """Acknowledged writes that are not there as they were acknowledged.

    A write that was tried several times may have taken effect several times, before and after the acknowledged try.

    Args:
        writes: those acknowledged.
        kept: what is there.
        shown: how many are named; None: all.
    """
    problems = []
    for write in writes:
        found, revision = kept.get(write.key), write.header.revision
        if found is None:
            problems.append(f"lost: {write.key}, acknowledged at revision {revision}, is not there")
        elif found.value != write.value:
            problems.append(f"lost: {write.key} is {found.value!r}, acknowledged was {write.value!r}")
        elif not found.create_revision <= revision <= found.mod_revision or found.version > write.attempts:
            problems.append(
                f"lost: {write.key} has revisions {found.create_revision} to {found.mod_revision} of {found.version} "
                f"writes, acknowledged was {revision} after {write.attempts} tries"
            )
        elif found.version == 1 and found.mod_revision != revision:
            problems.append(f"lost: {write.key} is of {found.mod_revision}, acknowledged was {revision}")
    return problems if shown is None else _some(problems)


def shared_revisions(writes: Iterable[Write]) -> list[str]:
    """Acknowledged writes of different keys that got one revision: two leaders accepted writes."""
    keys: dict[int, set[str]] = defaultdict(set)
    for write in writes:
        keys[write.header.revision].add(write.key)
    return _some(
        f"revision {revision} was given to {', '.join(sorted(shared))}"
        for revision, shared in keys.items()
        if len(shared) > 1
    )


def disorder(writes: Iterable[Write]) -> list[str]:
    """Writes whose revision is lower than that of one that was acknowledged before they began."""
    begins = sorted(writes, key=lambda write: write.began)
    ends = sorted(begins, key=lambda write: write.ended)
    problems, done, newest = [], 0, None
    for write in begins:
        while done < len(ends) and ends[done].ended < write.began:
            if newest is None or ends[done].header.revision > newest.header.revision:
                newest = ends[done]
            done += 1
        if newest is not None and write.header.revision <= newest.header.revision and write.key != newest.key:
            problems.append(
                f"order: {write.key} got revision {write.header.revision}, and began after {newest.key} "
                f"had been acknowledged with {newest.header.revision}"
            )
    return _some(problems)


def missed_reads(reads: Iterable[Read], writes: Iterable[Write]) -> list[str]:
    """Linearizable reads that did not see a write that was acknowledged before they began."""
    written = {write.key: write for write in writes}
    problems = []
    for read in reads:
        write = written[read.key]
        if read.found is None or read.found.value != write.value or read.header.revision < write.header.revision:
            problems.append(
                f"read: {read.key}, acknowledged at revision {write.header.revision}, read at {read.header.revision} "
                f"from member {read.header.member_id:x}, found {read.found}"
            )
    return _some(problems)


def foreign_clusters(ids: Iterable[int]) -> list[str]:
    """More than one cluster id in the answers."""
    found = sorted(set(ids))
    return [] if len(found) <= 1 else [f"several clusters answered: {', '.join(f'{each:x}' for each in found)}"]


def two_leaders(etcd_logs: Iterable[str]) -> list[str]:
    """Terms in which two members became leader, by the members' own logs.

    Status answers do not do: etcd fills in the term of the last applied entry beside the leader of now.
    """
    leaders: dict[int, set[str]] = defaultdict(set)
    for log in etcd_logs:
        for member, term in _BECAME_LEADER.findall(log):
            leaders[int(term)].add(member)
    return _some(
        f"term {term} had the leaders {', '.join(sorted(members))}"
        for term, members in sorted(leaders.items())
        if len(members) > 1
    )


def differing_hashes(hashes: Mapping[str, int]) -> list[str]:
    """Members whose keys differ at one revision."""
    if len(set(hashes.values())) <= 1:
        return []
    return [f"hashes differ: {', '.join(f'{url} {value}' for url, value in sorted(hashes.items()))}"]


def wrong_membership(final: FinalState) -> list[str]:
    """Whatever differs between instances, members, record and what was wanted."""
    problems = []
    states, names = dict(final.instances), sorted(str(member.get("name", "")) for member in final.members)
    if list(states.values()) != ["InService"] * final.desired:
        problems.append(f"{final.desired} instances in service were wanted, there are {states}")
    if names != sorted(states):
        problems.append(f"the members are {names}, the instances {sorted(states)}")
    learners = [member.get("name") for member in final.members if member.get("isLearner")]
    if learners:
        problems.append(f"learners are left: {learners}")
    record = final.record or {}
    recorded = {(each["instance"], int(each["id"] or "0", 16)) for each in record.get("members", [])}
    live = {(str(member.get("name", "")), int(member["ID"])) for member in final.members}
    if record.get("state") != "existing" or recorded != live:
        problems.append(f"the record is {record.get('state')} with {sorted(recorded)}, the members are {sorted(live)}")
    return problems


def alarming_lines(function_log: Iterable[str]) -> list[str]:
    """Lines of the controller's log that no fault explains: broken safety rules, unexpected exceptions."""
    problems = []
    for line in function_log:
        entry = _entry(line)
        unexpected = entry.get("message") == "look failed" and entry.get("error_type") not in {"AwsError", None}
        if unexpected or entry.get("level") in {"ERROR", "CRITICAL"} or any(word in line for word in _ALARMING):
            problems.append(f"controller: {line[:600]}")
    return _some(problems)


def cut_runs(function_log: Iterable[str]) -> int:
    """How many runs of the controller were ended by the function's timeout."""
    return sum(_TIMED_OUT in line for line in function_log)


def let_go_without_quorum(journal: Iterable[Mapping[str, Any]], lost_at: float) -> list[str]:
    """Instances that were let in or let go after the majority was lost."""
    return [
        f"{each['instance']} went to {each['to']} without a quorum"
        for each in journal
        if each["kind"] == "lifecycle" and each["at"] > lost_at and str(each["to"]).endswith(":Proceed")
    ]


def decisions(function_log: Iterable[str]) -> list[str]:
    """The reasons of the controller's decisions, oldest first."""
    entries = map(_entry, function_log)
    return [str(entry["reason"]) for entry in entries if entry.get("message") == "decision"]


def _entry(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _some(problems: Iterable[str]) -> list[str]:
    found = list(problems)
    more = [f"... and {len(found) - _SHOWN} more of these"] if len(found) > _SHOWN else []
    return found[:_SHOWN] + more
