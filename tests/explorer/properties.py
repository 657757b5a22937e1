"""The safety rules of docs/invariants.md, as properties of the world: no planner's belief is asked.

Each returns what is broken, in words, or nothing. ``is_current`` is whether nothing has happened since the controller
looked that it could not know: a race that no looking could have avoided is not its fault.
"""

from __future__ import annotations

from tests.explorer.etcd import Rules
from tests.explorer.state import (
    ABANDON_LAUNCH,
    ADD_VOTER,
    CONNECTED,
    CONTINUE_LAUNCH,
    CONTINUE_TERMINATION,
    EARLY,
    ENDED,
    EXISTING,
    HIDDEN,
    HUNG,
    LEARNER,
    LEARNER_UNSTARTED,
    LEAVING,
    NEW,
    NO_RECORD,
    NOBODY,
    OWN,
    PROMOTE,
    READY,
    REMOVE,
    RETIRED,
    RUNNING,
    UNLISTED,
    VOTER,
    VOTER_UNSTARTED,
    WAITING,
    Entry,
    Head,
    Node,
    State,
    has_quorum,
    is_acting,
    voters_and_acting,
)


def always(state: State) -> str:
    """Return what is broken in a state, however it came about."""
    alive = {n.cluster for n in state.nodes if n.process in CONNECTED and n.member >= VOTER_UNSTARTED}
    if len(alive) > 1:
        return f"INV-1: clusters of the generations {sorted(alive)} run at once"
    if sum(n.member in (LEARNER, LEARNER_UNSTARTED) for n in state.nodes) > 1:
        return "INV-3: two learners at once"
    return ""


def after_change(before: State, after: State, call: int, target: int, *, is_current: bool, rules: Rules) -> str:
    """Judge a membership change that took effect."""
    if after == before:
        return ""
    cluster = (before if call == REMOVE else after).nodes[target].cluster
    voters, acting = voters_and_acting(after.nodes, cluster)
    node = before.nodes[target]
    if call == REMOVE:
        problem = _after_removal(node, voters, is_current=is_current)
    elif call == PROMOTE:
        is_ready = node.member == LEARNER and node.is_caught_up and node.data == OWN
        problem = "" if is_ready else "INV-5: a learner is promoted that has not started and caught up"
    else:
        problem = _after_addition(after, call, cluster, is_current=is_current, rules=rules)
    is_second_voter = call == ADD_VOTER and voters == 2  # the exception of docs/invariants.md
    # etcd's own check compares a learner's log, and does not ask whether it is still there.
    is_checked = rules.is_strict and call != PROMOTE and (rules.notices_hung or not _has_hung(after, cluster))
    if not problem and (is_current or is_checked) and acting <= voters // 2 and not is_second_voter:
        return f"INV-2: a change leaves {acting} of {voters} voters"
    return problem


def _has_hung(state: State, cluster: int) -> bool:
    """Whether a voter hangs: etcd's own check does not see that from 3.5."""
    return any(n.process == HUNG and n.member >= VOTER_UNSTARTED and n.cluster == cluster for n in state.nodes)


def _after_removal(node: Node, voters: int, *, is_current: bool) -> str:
    if not voters:
        return "INV-4: the last voter is removed"
    if node.member != VOTER or node.ec2 != RUNNING:
        return ""
    if node.lifecycle == UNLISTED:
        return "INV-4: a voter is removed whose instance still runs outside of the group"
    return "INV-4: a voter is removed whose instance stays" if node.lifecycle != LEAVING and is_current else ""


def _after_addition(after: State, call: int, cluster: int, *, is_current: bool, rules: Rules) -> str:
    on_their_way = (LEARNER, LEARNER_UNSTARTED, VOTER_UNSTARTED)
    if sum(n.member in on_their_way and n.cluster == cluster for n in after.nodes) > 1:
        return "INV-3: a second member is on its way in"
    if call == ADD_VOTER:
        return "INV-3: a newcomer votes before it has started" if rules.has_learners else ""
    voters, acting = voters_and_acting(after.nodes, cluster)
    if is_current and voters > 1 and acting <= (voters + 1) // 2:
        return f"INV-2: a newcomer that never starts would leave {acting} of {voters + 1} voters"
    return ""


def after_transfer(before: State, target: int, *, is_current: bool) -> str:
    """Judge an attempt to hand over leadership: offered to the dead it stops all writes for a second."""
    if is_current and not is_acting(before.nodes[target]):
        return "INV-2: leadership is offered to a voter that does not act"
    return ""


def after_claim(before: State, head: Head, entries: tuple[Entry | tuple[()], ...]) -> str:
    """Judge the creation of a claim."""
    if head.generation != max(before.claim.generation, before.head.generation) + 1:
        return f"INV-1: generation {head.generation} follows {before.head.generation}"
    if head.state == NEW:
        for node in before.nodes:
            of_the_last = node.member or (node.entry.kind and before.head.state != NO_RECORD)
            if node.ec2 != ENDED and (of_the_last or node.data == OWN):
                return "INV-1: a generation begins while a member of the last is alive"
        if not any(entries):
            return "INV-1: a generation without a cohort"
    return ""


def after_write(before: State, after: State, *, is_current: bool) -> str:
    """Judge a record that was written."""
    old, new = before.head, after.head
    if new.generation < old.generation or (
        new.generation == old.generation and old.state == RETIRED and new.state != RETIRED
    ):
        return "INV-1: a generation that is over comes back"
    if new.state == RETIRED and old.state == EXISTING and not before.is_deleting:
        for node in before.nodes:
            stays = node.lifecycle not in (LEAVING, UNLISTED) or (node.lifecycle == UNLISTED and node.ec2 == RUNNING)
            if node.member and node.ec2 == RUNNING and stays:
                return "INV-1: a cluster is written off whose member stays"
    if new.state == EXISTING and is_current:
        for node in after.nodes:
            is_member = node.member != NOBODY and node.cluster == new.cluster
            if node.entry.kind and not (is_member and node.entry.life == node.life):
                return "INV-7: the record names a member that the live list does not have"
            if is_member and not node.entry.kind:
                return "INV-7: the record leaves out a member of the live list"
    return ""


def after_completion(before: State, call: int, target: int, *, is_current: bool) -> str:
    """Judge a lifecycle action that was completed and was active."""
    node = before.nodes[target]
    if call == CONTINUE_LAUNCH and node.lifecycle == WAITING and node.ec2 != ENDED:
        if node.member != VOTER or (node.data != OWN and is_current):
            return "INV-5: an instance goes into service without a started voter"
        serves = node.process in (READY, HIDDEN, EARLY) and node.is_caught_up and has_quorum(before.nodes, node.cluster)
        if is_current and not serves:
            return "INV-5: an instance goes into service whose voter does not serve"
    if call == CONTINUE_TERMINATION and node.lifecycle == LEAVING:
        is_over = before.head.state == RETIRED
        # A learner added in the same moment, or whoever was added to a host that has ended, is removed as such.
        is_harmless = (node.member < VOTER_UNSTARTED and not is_current) or (node.member != VOTER and node.ec2 == ENDED)
        if node.member and not is_over and not is_harmless:
            return "INV-5: an instance is let go that still is a member"
        if node.entry.kind and before.head.state == NEW and node.ec2 == RUNNING:
            return "INV-5: an instance of the forming cohort is let go"
    is_alive = node.lifecycle == WAITING and node.ec2 == RUNNING and node.member == VOTER
    was_silent = node.entry.silent > 1  # beyond the grace period; that it serves again may be news
    if call == ABANDON_LAUNCH and is_current and is_alive and not was_silent and before.head.state == EXISTING:
        return "INV-5: the launch of a started voter is abandoned"
    return ""
