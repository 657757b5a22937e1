"""What the record ought to say (INV-7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from .actions import ConcludeFormation, PublishRecord
from .model import POOL_WAIT, Instance, InstanceId, Lifecycle, Member, Transition
from .policy import Policy
from .record import Record, RecordedMember, RecordState
from .view import Membership, View

# No line, list or pair; an instance's id is the longest that the controller gives.
_NAME = re.compile(r'[^\x00-\x20\x7f,="]{1,64}')
# As the agent's (record); etcd itself takes some more.
_URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_LONGEST_URLS = 256


def cohort_record(view: View, policy: Policy, cohort: Iterable[Instance]) -> Record:
    """Return the record that forms a new generation out of these instances."""
    last = view.stored.record
    generation = last.generation + 1 if last else 1
    now = int(view.observed_at)
    return Record(
        generation=generation,
        group_arn=view.group.arn,
        token=_token(view.group.arn, generation),
        state=RecordState.NEW,
        cluster_id=None,
        created_at=now,
        members=tuple(
            RecordedMember(
                instance=i.instance_id,
                member_id=None,
                name="",
                peer_urls=(policy.peer_url(i.private_ip or ""),),
                client_urls=(policy.client_url(i.private_ip or ""),),
                is_started=False,
                is_learner=False,
                life=f"g{generation}",
                since=now,
            )
            for i in sorted(cohort, key=lambda i: i.instance_id)
        ),
    )


def adoption_record(view: View, membership: Membership) -> Record:
    """Return the first record of a cluster that runs already."""
    now = int(view.observed_at)
    blank = Record(
        generation=1,
        group_arn=view.group.arn,
        token=_token(view.group.arn, 1),
        state=RecordState.EXISTING,
        cluster_id=membership.cluster_id,
        created_at=now,
        members=(),
    )
    return current_record(view, blank, membership)


def current_record(view: View, last: Record, membership: Membership) -> Record:
    """Return the record of a formed cluster as it is now: the live list, nothing but the live list."""
    return replace(
        last,
        state=RecordState.EXISTING,
        cluster_id=membership.cluster_id,
        members=tuple(_entry(view, last, membership, m) for m in membership.members),
        unresponsive_since=_keep_clocks(view, last.unresponsive_since, _unresponsive(view, membership)),
        leaving_since=_keep_clocks(view, last.leaving_since, _leaving(view, membership)),
    )


def retire(last: Record) -> ConcludeFormation | PublishRecord:
    """Return what ends a generation; one that still forms may be found formed by another controller meanwhile."""
    retired = replace(last, state=RecordState.RETIRED)
    return ConcludeFormation(retired) if last.state is RecordState.NEW else PublishRecord(retired)


def without_clocks(record: Record) -> Record:
    """Return what agents and people read of a record."""
    empty: Mapping[InstanceId, int] = MappingProxyType({})
    return replace(record, unresponsive_since=empty, leaving_since=empty)


def _token(group_arn: str, generation: int) -> str:
    """Return the initial cluster token: the group's own UUID makes it differ from every other cluster's.

    An ARN reads ``arn:aws:autoscaling:region:account:autoScalingGroup:uuid:autoScalingGroupName/name``.
    """
    parts = group_arn.split(":")
    uuid = parts[6] if len(parts) > 6 else group_arn  # noqa: PLR2004 - the seventh part, see above
    return f"etcd-{uuid}-g{generation}"


def _entry(view: View, last: Record, membership: Membership, member: Member) -> RecordedMember:
    """Return what is said of a member: of what it says of itself only what fits and what every agent can read.

    One that was not so would keep the record from being written or read, and the controller from all of them.
    """
    before = last.entry_of(member)
    urls = member.client_urls
    return RecordedMember(
        instance=membership.owners[member.member_id],
        member_id=member.member_id,
        name=member.name if _NAME.fullmatch(member.name) else "",
        peer_urls=member.peer_urls,
        client_urls=urls if all(map(_URL.fullmatch, urls)) and len("".join(urls)) <= _LONGEST_URLS else (),
        is_started=member.is_started,
        is_learner=member.is_learner,
        life=before.life if before else f"{member.member_id:x}",
        since=_not_ahead(view, before.since if before else None),
    )


def _unresponsive(view: View, membership: Membership) -> Iterable[InstanceId]:
    """Yield the instances whose voter has started and does not serve, and those in service that have no member."""
    for instance in view.group.instances:
        if view.is_leaving(instance):
            continue
        member = membership.of(instance.instance_id)
        is_silent = member and not member.is_learner and member.member_id not in membership.serving
        if instance.lifecycle is Lifecycle.IN_SERVICE and (is_silent or member is None):
            yield instance.instance_id
        if instance.lifecycle is Lifecycle.PENDING_WAIT and member and member.is_started and is_silent:
            yield instance.instance_id


def _leaving(view: View, membership: Membership) -> Iterable[InstanceId]:
    for instance in view.group.instances:
        waits = view.is_waiting(instance, Transition.TERMINATING) or instance.lifecycle in POOL_WAIT
        if waits and membership.of(instance.instance_id):
            yield instance.instance_id


def _keep_clocks(view: View, last: Mapping[InstanceId, int], now: Iterable[InstanceId]) -> Mapping[InstanceId, int]:
    return MappingProxyType({i: _not_ahead(view, last.get(i)) for i in sorted(now)})


def _not_ahead(view: View, since: int | None) -> int:
    """Return when a wait began: now, if it is new or was written by a clock that was ahead, which would prolong it."""
    now = int(view.observed_at)
    return now if since is None else min(since, now)
