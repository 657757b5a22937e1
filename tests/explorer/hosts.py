"""What happens on hosts by itself: the agent, etcd, and the faults of both."""

from __future__ import annotations

from collections.abc import Iterator

from tests.explorer.agent import Boot, boot
from tests.explorer.state import (
    CONNECTED,
    CUT,
    EARLY,
    ENDED,
    FOREIGN,
    HIDDEN,
    HUNG,
    LEARNER,
    LEARNER_UNSTARTED,
    LOST,
    NO_ENTRY,
    NOBODY,
    OFF,
    OWN,
    READY,
    RUNNING,
    STARTING,
    VOTER,
    VOTER_UNSTARTED,
    Entry,
    Head,
    Listed,
    Node,
    State,
    Step,
    can_be_led,
    has_quorum,
    members_of,
    outdate,
    with_node,
)


def host_steps(state: State, i: int) -> Iterator[Step]:
    """Yield what the agent and etcd on a host do by themselves."""
    node = state.nodes[i]
    if node.ec2 == ENDED:
        return
    if node.process == OFF:
        if node.has_file:
            yield _start_new(state, i)
        elif node.ec2 == RUNNING:
            yield from _boot(state, i)
    if not node.member:
        return
    lags = node.process in (STARTING, EARLY, READY) and not node.is_caught_up
    if lags and can_be_led(state.nodes, node.cluster):
        yield Step("the log of {0} catches up", i, with_node(state, i, is_caught_up=1))
    if not has_quorum(state.nodes, node.cluster):
        return
    if node.process in (STARTING, EARLY):
        published = {LEARNER_UNSTARTED: LEARNER, VOTER_UNSTARTED: VOTER}.get(node.member, node.member)
        served = with_node(state, i, process=READY, member=published, is_behind=0)
        yield Step("{0} publishes itself and serves", i, outdate(served))
    elif node.is_behind and node.process in (READY, HIDDEN):
        yield Step("{0} learns what it has missed", i, with_node(state, i, is_behind=0))


def _boot(state: State, i: int) -> Iterator[Step]:
    """The agent reads the record, maybe an old one; etcd starts from what it wrote, or from its data."""
    node = state.nodes[i]
    yield from _boot_from(state, i, state.head, tuple([n.entry for n in state.nodes]))
    if state.recalled and (state.recalled, node.recalled or NO_ENTRY) != (state.head, node.entry):
        entries = tuple([n.recalled or NO_ENTRY for n in state.nodes])
        for step in _boot_from(state, i, state.recalled, entries):
            yield step._replace(text=f"{step.text} (the record is old)")


def _boot_from(state: State, i: int, head: Head, entries: tuple[Entry, ...]) -> Iterator[Step]:
    node = state.nodes[i]
    what = boot(head, entries[i], node.data)
    if what is Boot.NEW and node.data != OWN and not _has_been_seen(state, node):
        yield Step("the agent on {0} writes its file, state new", i, with_node(state, i, has_file=1))
    elif what is not Boot.NOT and node.data == OWN:
        if node.member:
            yield Step("etcd starts again on {0}", i, with_node(state, i, process=STARTING))
    elif what is Boot.EXISTING and node.member:
        # A learner without its log panics; a voter may get through, and what it had acknowledged is lost.
        forgot = node.data == LOST or node.member in (LEARNER, VOTER)
        problem = "INV-5: a voter that lost its log starts anew" if forgot else ""
        if (node.member >= VOTER_UNSTARTED or not forgot) and _is_listed_as_live(state, node, entries):
            joined = with_node(state, i, process=STARTING, data=OWN, is_behind=0)
            yield Step("etcd starts on {0} to join", i, joined, problem)


def _is_listed_as_live(state: State, node: Node, entries: tuple[Entry, ...]) -> bool:
    return all(
        (e.kind != NOBODY) == (n.member != NOBODY and n.cluster == node.cluster)
        and (e.kind == NOBODY or e.life == n.life)
        for n, e in zip(state.nodes, entries, strict=True)
    )


def _start_new(state: State, i: int) -> Step:
    """Start etcd with state ``new``: every host of a cohort has the same list, whichever starts first."""
    node = state.nodes[i]
    generation = state.head.generation
    nodes = list(state.nodes)
    if not members_of(nodes, generation):
        nodes = [n._replace(member=VOTER_UNSTARTED, cluster=generation, life=0) if n.entry.kind else n for n in nodes]
    nodes[i] = nodes[i]._replace(has_file=0)
    changed, problem = state._replace(nodes=tuple(nodes)), ""
    is_listed = bool(nodes[i].member and nodes[i].cluster == generation)
    if is_listed and node.data != OWN and not _has_been_seen(state, node):
        changed = with_node(changed, i, process=STARTING, data=OWN, is_caught_up=1, is_behind=0)
        problem = "INV-5: a voter that lost its log starts anew" if node.data == LOST else ""
    return Step("etcd starts on {0}, state new", i, changed, problem)


def _has_been_seen(state: State, node: Node) -> bool:
    """Whether some peer knows that a member has run: etcd asks them all before it begins anew, and then does not."""
    return node.member == VOTER and any(
        n.cluster == node.cluster and n.member and n.process in CONNECTED and not n.is_behind for n in state.nodes
    )


def fault_steps(state: State, i: int) -> Iterator[Step]:
    """Yield what may break on a host, as far as the budget goes, and mend itself."""
    node, budget = state.nodes[i], state.budget
    up = node.process not in (OFF, HUNG) and node.ec2 != ENDED
    nobody_behind = not any(n.is_behind for n in state.nodes)
    faults: tuple[tuple[str, bool, str, dict[str, int]], ...] = (
        ("lose", node.ec2 == RUNNING, "the host {0} dies", {"ec2": ENDED}),
        ("crash", up, "etcd on {0} crashes", {"process": OFF}),
        ("wipe", node.process == OFF and node.data == OWN, "the disk of {0} is lost", {"data": LOST, "is_behind": 0}),
        ("hang", up, "etcd on {0} hangs", {"process": HUNG}),
        ("hide", node.process == READY, "the controller no longer reaches {0}", {"process": HIDDEN}),
        ("cut", node.process == READY and nobody_behind, "{0} is cut off from its peers", {"process": CUT}),
        ("early", node.process == STARTING, "etcd on {0} answers before it has seen a leader", {"process": EARLY}),
        ("behind", node.process == READY and nobody_behind, "{0} falls behind its peers", {}),
    )
    for name, is_possible, text, change in faults:
        left: int = getattr(budget, name)
        if left and is_possible:
            paid = state._replace(budget=budget._replace(**{name: left - 1}))
            if nobody_behind and (name in ("cut", "behind") or (budget.early and name in ("crash", "hang"))):
                paid = fall_behind(paid, i)
            yield Step(text, i, outdate(with_node(paid, i, **change)))
    if node.process in (HUNG, HIDDEN, CUT):
        yield Step("{0} is itself again", i, heal(state, i))


def fall_behind(state: State, i: int) -> State:
    """Have a member go on with the member list as it is now; it may be a step old when it is looked at."""
    nodes = [n._replace(known=Listed(n.member, n.cluster, n.life, n.leads) if n.member else ()) for n in state.nodes]
    nodes[i] = nodes[i]._replace(is_behind=int(nodes[i].member != NOBODY))
    return state._replace(nodes=tuple(nodes))


def heal(state: State, i: int) -> State:
    """End a hang or a partition: who has been removed meanwhile, added again or not, finds that out and exits."""
    node = state.nodes[i]
    if not node.member or node.data == FOREIGN:
        return with_node(state, i, process=OFF, is_behind=0)
    return with_node(state, i, process=READY if node.member in (LEARNER, VOTER) else STARTING)
