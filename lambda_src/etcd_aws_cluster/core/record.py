"""The record: the controller's one durable document, and all that an agent reads.

Kept in SSM Parameter Store as JSON (docs/formats.md). A reader ignores keys that it does not know;
another schema number is an error, never a guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .errors import RecordError
from .model import ClusterId, InstanceId, Member, MemberId

SCHEMA = 1
MAX_BYTES = 4096
"""A standard parameter's limit: https://docs.aws.amazon.com/general/latest/gr/ssm.html"""
_LATEST_VERSION = 999_999_999
LONGEST_ENTRY_BYTES = 300
"""What the entry of a newcomer may grow to, with its clock."""


class RecordState(StrEnum):
    """NEW: its cohort is forming. EXISTING: formed or adopted. RETIRED: brought down, for good."""

    NEW = "new"
    EXISTING = "existing"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMember:
    """A member as the agents see it.

    Attributes:
        instance: None for a member of an adopted cluster that no instance is known for.
        member_id: None for a cohort member before the cluster formed.
        life: Tells this entry's data from that of an earlier entry: ``g<generation>`` for the cohort, the
            member id in hex for one that joined.
        since: Epoch seconds at which the controller first wrote the entry.
    """

    instance: InstanceId | None
    member_id: MemberId | None
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    is_started: bool
    is_learner: bool
    life: str
    since: int

    def is_entry_of(self, member: Member) -> bool:
        """Whether this entry was written for that member: by id, or before ids were known by peer URL."""
        if self.member_id is not None:
            return self.member_id == member.member_id
        return bool(set(self.peer_urls) & set(member.peer_urls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One generation of one cluster.

    Attributes:
        token: etcd's initial cluster token; differs between generations and between groups.
        created_at: Epoch seconds.
        unresponsive_since: Epoch seconds, by instance in service whose member does not answer.
        leaving_since: Epoch seconds, by instance with a member that waits to go, into the warm pool included.
        follows: The version of the parameter that its writer had read, which makes a write that comes too late void
            (docs/decisions/0022); None where it counts whenever it is written. Of a record that was read: its version.
    """

    generation: int
    group_arn: str
    token: str
    state: RecordState
    cluster_id: ClusterId | None
    created_at: int
    members: tuple[RecordedMember, ...]
    unresponsive_since: Mapping[InstanceId, int] = field(default_factory=lambda: MappingProxyType({}))
    leaving_since: Mapping[InstanceId, int] = field(default_factory=lambda: MappingProxyType({}))
    follows: int | None = field(default=None, compare=False)

    def entry_of(self, member: Member) -> RecordedMember | None:
        """Return the entry that was written for a member."""
        return next((m for m in self.members if m.is_entry_of(member)), None)

    def oldest_first(self, members: Iterable[Member]) -> list[Member]:
        """Return members by how long they have been some, a tie by id; one without an entry is the newest."""

        def since(member: Member) -> float:
            entry = self.entry_of(member)
            return entry.since if entry else math.inf

        return sorted(members, key=lambda m: (since(m), m.member_id))

    def initial_cluster(self) -> str:
        """Return ``ETCD_INITIAL_CLUSTER``: ``name=url`` pairs, one for each peer URL, in a fixed order."""
        pairs = (
            f"{m.name or m.instance or f'{m.member_id or 0:x}'}={url}"
            for m in sorted(self.members, key=lambda m: (m.instance or "", m.member_id or 0))
            for url in m.peer_urls
        )
        return ",".join(pairs)

    def has_room(self) -> bool:
        """Whether one more member would fit, with a clock running for each."""
        clocks = {m.instance: self.created_at for m in self.members if m.instance}
        longest = replace(self, unresponsive_since=clocks, leaving_since={}, follows=_LATEST_VERSION)
        try:
            return len(longest.to_json().encode()) + LONGEST_ENTRY_BYTES <= MAX_BYTES
        except RecordError:
            return False

    def to_json(self) -> str:
        """Return the document.

        Raises:
            RecordError: It would not fit a standard parameter.
        """
        text = json.dumps(
            {
                "schema": SCHEMA,
                **({} if self.follows is None else {"follows": self.follows}),
                "generation": self.generation,
                "group_arn": self.group_arn,
                "token": self.token,
                "state": self.state.value,
                "cluster_id": _to_hex(self.cluster_id),
                "created_at": self.created_at,
                "members": [_member_to_dict(m) for m in self.members],
                "clocks": {"unresponsive": dict(self.unresponsive_since), "leaving": dict(self.leaving_since)},
            },
            separators=(",", ":"),
        )
        if len(text.encode()) > MAX_BYTES:
            raise RecordError(
                f"the record of {len(self.members)} members has {len(text.encode())} bytes, at most {MAX_BYTES} fit"
            )
        return text

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read the document.

        Raises:
            RecordError: It is not JSON, of another schema, or a field is missing or of the wrong kind.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"the record is not JSON: {error}") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
            raise RecordError(f"the record has schema {found!r}, expected {SCHEMA}")
        try:
            clocks = raw.get("clocks", {})
            return cls(
                generation=int(raw["generation"]),
                group_arn=str(raw["group_arn"]),
                token=str(raw["token"]),
                state=RecordState(raw["state"]),
                cluster_id=None if raw["cluster_id"] is None else ClusterId(int(raw["cluster_id"], 16)),
                created_at=int(raw["created_at"]),
                members=tuple(_member_from_dict(m) for m in raw["members"]),
                unresponsive_since=_clock(clocks.get("unresponsive", {})),
                leaving_since=_clock(clocks.get("leaving", {})),
                follows=None if raw.get("follows") is None else int(raw["follows"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordError(f"the record has a missing or wrong field: {error!r}") from error


def _to_hex(number: int | None) -> str | None:
    return None if number is None else f"{number:x}"


def _clock(raw: Mapping[str, Any]) -> Mapping[InstanceId, int]:
    return MappingProxyType({InstanceId(k): int(v) for k, v in raw.items()})


def _member_to_dict(member: RecordedMember) -> dict[str, Any]:
    return {
        "instance": member.instance,
        "id": _to_hex(member.member_id),
        "name": member.name,
        "peer_urls": list(member.peer_urls),
        "client_urls": list(member.client_urls),
        "started": member.is_started,
        "learner": member.is_learner,
        "life": member.life,
        "since": member.since,
    }


def _member_from_dict(raw: Mapping[str, Any]) -> RecordedMember:
    return RecordedMember(
        instance=None if raw["instance"] is None else InstanceId(str(raw["instance"])),
        member_id=None if raw["id"] is None else MemberId(int(raw["id"], 16)),
        name=str(raw["name"]),
        peer_urls=tuple(map(str, raw["peer_urls"])),
        client_urls=tuple(map(str, raw["client_urls"])),
        is_started=bool(raw["started"]),
        is_learner=bool(raw["learner"]),
        life=str(raw["life"]),
        since=int(raw["since"]),
    )
