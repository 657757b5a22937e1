"""Rules for a formed cluster that has a quorum. In the order of the planner, which keeps launches alive meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from .actions import (
    Act,
    AddMember,
    Decision,
    Look,
    MarkUnhealthy,
    MoveLeadership,
    PromoteMember,
    PublishInitialCluster,
    PublishRecord,
    Reason,
    Refuse,
    RemoveMember,
    Wait,
)
from .formation import can_host, complete, look_for_newcomers
from .formed import Formed
from .model import Instance, Lifecycle, Member, Result, Transition
from .publish import without_clocks

_NEAR = 1000
"""Entries of the log that two members' answers to one look may be apart: a busy etcd applies them in 0.1 s."""


def release_who_is_done(formed: Formed) -> Decision | None:
    """CONTINUE launches of caught-up voters, and terminations of instances without a member (INV-5)."""
    for instance in formed.view.waiting(Transition.LAUNCHING):
        member = formed.membership.of(instance.instance_id)
        # A linearizable read on the member itself waits until it has applied all that was committed before.
        if member and not member.is_learner and member.is_started and member.member_id in formed.membership.serving:
            return complete(instance, Transition.LAUNCHING, Result.CONTINUE, Reason.CAUGHT_UP_VOTER)
    for instance in formed.view.waiting(Transition.TERMINATING):
        if formed.membership.of(instance.instance_id) is None:
            return complete(instance, Transition.TERMINATING, Result.CONTINUE, Reason.NOT_A_MEMBER)
    return None


def publish_the_list(formed: Formed) -> Decision | None:
    """Publish each change before the next is made, so that no host boots from a list that is two changes old."""
    if without_clocks(formed.current) == without_clocks(formed.record):
        return None
    detail = formed.current.initial_cluster()
    return Act(action=PublishRecord(formed.current), reason=Reason.LIST_CHANGED, detail=detail)


def remove_the_dead(formed: Formed) -> Decision | None:
    """Remove members whose instance is gone: those first that hold a newcomer's peer URL."""
    newcomers = [formed.policy.peer_url(i.private_ip or "") for i in formed.view.waiting(Transition.LAUNCHING)]
    dead = sorted(
        (m for m in formed.membership.members if formed.is_gone(m)),
        key=lambda m: (not any(map(m.is_at, newcomers)), not m.is_learner, m.is_started, m.member_id),
    )
    return _remove_first(formed, dead, Reason.INSTANCE_GONE)


def settle_the_learner(formed: Formed) -> Decision | None:
    """One member at a time is on its way in: promote it, wait for it, or give it up (INV-3)."""
    coming = (m for m in formed.membership.members if m.is_learner or not m.is_started)
    decisions = (_settle(formed, member) for member in coming)
    return next((decision for decision in decisions if decision), None)


def hold_the_learner(formed: Formed) -> Decision | None:
    """Keep a learner waiting that must not vote yet; the rules below see to the silent voter that is in its way."""
    if not formed.membership.learners:
        return None
    detail = f"promoting {formed.membership.learners[0]}"
    return Refuse(reason=Reason.QUORUM_AT_RISK, detail=detail, look=Look.SOON)


def let_leavers_go(formed: Formed) -> Decision | None:
    """Remove the voters of leaving instances, silent ones first, the leader last and after handing over."""
    leader = formed.membership.leader
    leavers = sorted(
        (m for m in formed.membership.voters if formed.is_leaving(m) and _may_act_on(formed, m)),
        key=lambda m: (m.member_id in formed.membership.serving, m.member_id == leader, m.member_id),
    )
    if not leavers:
        return None
    first = leavers[0]
    if first.member_id not in formed.membership.serving:
        return _remove_first(formed, leavers, Reason.INSTANCE_LEAVING)
    if _waits_for_replacement(formed, first):
        return None  # the rules below bring the replacement in
    target = _next_leader(formed)
    if first.member_id == leader and target and formed.may_remove(first) and not formed.view.transfer_failed:
        return Act(
            action=MoveLeadership(first.member_id, target.member_id),
            reason=Reason.LEADER_LEAVING,
            detail=f"{first} to {target}",
        )
    return _remove_first(formed, leavers, Reason.INSTANCE_LEAVING)


def let_newcomers_join(formed: Formed) -> Decision | None:
    """Add the member of the instance that has waited longest, one at a time."""
    if formed.membership.learners:
        return None
    for instance in formed.view.waiting(Transition.LAUNCHING):
        if formed.membership.of(instance.instance_id) is None and can_host(instance):
            return _add(formed, instance)
    return None


def replace_the_silent(formed: Formed) -> Decision | None:
    """Have the group replace an instance whose voter is silent, or missing, beyond the grace period."""
    grace = formed.policy.unresponsive_grace.total_seconds()
    for instance_id, since in formed.current.unresponsive_since.items():
        instance = formed.view.group.find(instance_id)
        if instance is None or not instance.is_healthy or formed.view.observed_at - since < grace:
            continue
        member = formed.membership.of(instance_id)
        if any(_is_being_replaced(formed, i) for i in formed.view.group.instances):
            return Wait(reason=Reason.ONE_AT_A_TIME, detail=f"before {instance_id} is replaced")
        if formed.view.is_waiting(instance, Transition.LAUNCHING):  # no health check counts before InService
            return complete(instance, Transition.LAUNCHING, Result.ABANDON, Reason.UNRESPONSIVE)
        if instance.lifecycle is not Lifecycle.IN_SERVICE:
            continue
        reason = Reason.UNRESPONSIVE if member else Reason.MEMBERLESS
        return Act(action=MarkUnhealthy(instance_id), reason=reason, detail=f"{instance_id} since {since}")
    return None


def publish_the_rest(formed: Formed) -> Decision | None:
    """Publish what no host waits for: the clocks and the plain list."""
    if formed.current != formed.record:
        return Act(action=PublishRecord(formed.current), reason=Reason.CLOCKS)
    text = formed.current.initial_cluster()
    if text != formed.view.stored.initial_cluster:
        return Act(action=PublishInitialCluster(text), reason=Reason.LIST_CHANGED, detail=text)
    return None


def wait_for_the_rest(formed: Formed) -> Decision | None:
    """Say what is still expected, if anything is."""
    leavers = [str(m) for m in formed.membership.voters if formed.is_leaving(m)]
    if leavers:
        return Wait(reason=Reason.REPLACEMENT_EXPECTED, detail=", ".join(leavers))
    if formed.record.unresponsive_since:
        return Wait(reason=Reason.GRACE_PERIOD, detail=", ".join(formed.record.unresponsive_since))
    missing = formed.view.group.desired - len(formed.staying_voters())
    if missing > 0 or formed.view.all_waiting():
        return Wait(
            reason=Reason.VOTERS_MISSING,
            detail=f"{max(missing, 0)} missing",
            look=look_for_newcomers(formed.view),
        )
    return None


def _add(formed: Formed, instance: Instance) -> Decision:
    url = formed.policy.peer_url(instance.private_ip or "")
    holder = next((m for m in formed.membership.members if m.is_at(url)), None)
    if holder:
        return Refuse(reason=Reason.PEER_URL_TAKEN, detail=f"{url} is {holder}'s")
    if not formed.current.has_room():  # once added, it could not be published, and nothing else either
        return Refuse(reason=Reason.RECORD_FULL, detail=instance.instance_id)
    voters = formed.membership.voters
    if not formed.may_add():
        return Refuse(reason=Reason.QUORUM_AT_RISK, detail=f"adding {instance.instance_id}")
    as_learner = formed.membership.supports_learners
    if not as_learner and len(voters) == 1 and instance.instance_id not in formed.view.hosts_up:
        # The second voter makes the first one's quorum its own: nothing is undone if it never starts (etcd#10329).
        return Wait(reason=Reason.HOST_NOT_UP, detail=instance.instance_id)
    return Act(
        action=AddMember(instance.instance_id, url, as_learner), reason=Reason.NEWCOMER, detail=instance.instance_id
    )


def _settle(formed: Formed, member: Member) -> Decision | None:
    overdue = _is_overdue(formed, member)
    if member.member_id in formed.membership.serving:  # a voter like any other, whose name is on the way
        return _give_up_launch(formed, member) if overdue else None
    if formed.is_leaving(member):
        return _remove(formed, member, Reason.INSTANCE_LEAVING)
    if overdue:
        return _give_up_launch(formed, member) or _remove(formed, member, Reason.LEARNER_OVERDUE)
    if not member.is_learner:
        return _wait_for(member, Reason.MEMBER_STARTING)
    # A learner may be promoted up to 7 s before it serves clients (docs/decisions/0010): wait until it answers.
    # One that no instance is known for was added by hand: nobody asked us for a voter.
    serves = member.is_started and member.member_id in formed.membership.answering
    if not serves or formed.owner(member) is None:
        return _wait_for(member, Reason.LEARNER_CATCHING_UP)
    promote = Act(action=PromoteMember(member.member_id), reason=Reason.LEARNER_SERVES, detail=str(member))
    return promote if formed.may_add() else None


def _is_overdue(formed: Formed, member: Member) -> bool:
    entry = formed.record.entry_of(member)
    waited = formed.view.observed_at - entry.since if entry else 0
    return waited >= formed.policy.join_timeout.total_seconds()


def _give_up_launch(formed: Formed, member: Member) -> Decision | None:
    """Abandon the launch first: the learner of an abandoned launch is removed as a leaver's, and never added again."""
    instance = formed.view.group.find(formed.owner(member))
    if instance and formed.view.is_waiting(instance, Transition.LAUNCHING):
        return complete(instance, Transition.LAUNCHING, Result.ABANDON, Reason.LEARNER_OVERDUE)
    if instance and instance.lifecycle is Lifecycle.PENDING_WAIT:  # abandoning it has failed and is tried again
        return _wait_for(member, Reason.LEARNER_OVERDUE)
    return None


def _waits_for_replacement(formed: Formed, member: Member) -> bool:
    """Whether a voter that serves is still expected in a leaving one's place, and the time for that is not over."""
    if len(_serving_and_staying(formed)) >= formed.view.group.desired:
        return False
    owner = formed.owner(member)
    since = formed.record.leaving_since.get(owner) if owner else None
    waited = formed.view.observed_at - since if since is not None else 0
    return waited < formed.policy.replacement_wait.total_seconds()


def _serving_and_staying(formed: Formed) -> tuple[Member, ...]:
    return tuple(m for m in formed.staying_voters() if m.member_id in formed.membership.serving)


def _may_act_on(formed: Formed, member: Member) -> bool:
    """Whether a leaver waits for us. One that is only on its way to the wait state is left alone."""
    instance = formed.view.group.find(formed.owner(member))
    return instance is not None and instance.lifecycle is not Lifecycle.TERMINATING


def _is_being_replaced(formed: Formed, instance: Instance) -> bool:
    """Whether the group is about to take an instance for its health. One that leaves already is the leavers' matter."""
    ending = formed.view.group.ec2_state(instance.instance_id).is_ending
    return not instance.is_healthy and instance.lifecycle is Lifecycle.IN_SERVICE and not ending


def _next_leader(formed: Formed) -> Member | None:
    """Return the newest staying voter that serves: where all are replaced it is the last to go (docs/decisions/0021).

    One that is dead, or far behind, would stop all writes.
    """
    serving, applied = _serving_and_staying(formed), formed.membership.raft_index
    if not serving:
        return None
    most = max(applied[m.member_id] for m in serving)
    return formed.record.oldest_first(m for m in serving if most - applied[m.member_id] <= _NEAR)[-1]


def _remove_first(formed: Formed, members: Sequence[Member], reason: Reason) -> Decision | None:
    """Remove the first member that may be removed; refuse if there are some and none may."""
    for member in members:
        if formed.may_remove(member):
            return _remove(formed, member, reason)
    return _refuse(formed, members[0]) if members else None


def _remove(formed: Formed, member: Member, reason: Reason) -> Decision:
    if not formed.may_remove(member):
        return _refuse(formed, member)
    return Act(action=RemoveMember(member.member_id), reason=reason, detail=str(member))


def _refuse(formed: Formed, member: Member) -> Refuse:
    last = len(formed.membership.voters) == 1 and not member.is_learner
    return Refuse(reason=Reason.LAST_VOTER if last else Reason.QUORUM_AT_RISK, detail=f"removing {member}")


def _wait_for(member: Member, reason: Reason) -> Wait:
    return Wait(reason=reason, detail=str(member), look=Look.SOON)
