"""What happens without the controller: AWS, hosts, faults, operators, time. Every step that may come next."""

from __future__ import annotations

from collections.abc import Iterator

from tests.explorer.agent import Boot, boot
from tests.explorer.state import (
    CUT,
    EMPTY,
    ENDED,
    ENDING,
    EXISTING,
    FOREIGN,
    HIDDEN,
    HUNG,
    IN_SERVICE,
    LEARNER,
    LEARNER_UNSTARTED,
    LEAVING,
    LOST,
    NEW,
    NO_CALL,
    NOBODY,
    OFF,
    OWN,
    READY,
    RETAINED,
    RUNNING,
    STANDBY,
    STARTING,
    UNLISTED,
    UNSEEN,
    VOTER,
    VOTER_UNSTARTED,
    WAITING,
    Node,
    Seen,
    State,
    Step,
    has_quorum,
    members_of,
    with_node,
)


def steps(state: State, desires: tuple[int, ...]) -> Iterator[Step]:
    """Yield everything that can happen next but for the controllers."""
    yield from _group_steps(state, desires)
    for i in range(len(state.nodes)):
        yield from _instance_steps(state, i)
        yield from host_steps(state, i)
        yield from _fault_steps(state, i)
    yield from time_steps(state)
    yield from _lag_steps(state)


def capacity(state: State) -> int:
    """Return how many instances count towards the desired capacity."""
    return sum(n.lifecycle in (WAITING, IN_SERVICE) for n in state.nodes)


def launch(state: State, *, as_twin_of: int | None = None) -> State:
    """Add an instance, at an address of its own or at that of an instance that has ended."""
    lag = Seen(UNLISTED, UNSEEN, 1) if state.lag else ()
    minds = tuple([type(m)() for m in state.nodes[0].minds]) if state.nodes else (Node().minds * len(state.controls))
    nodes = list(state.nodes)
    if as_twin_of is not None:
        nodes[as_twin_of] = nodes[as_twin_of]._replace(is_twin=1)
    nodes.append(Node(lag=lag, minds=minds, is_twin=int(as_twin_of is not None)))
    return state._replace(nodes=tuple(nodes))


def _group_steps(state: State, desires: tuple[int, ...]) -> Iterator[Step]:
    size, budget = capacity(state), state.budget
    if size < state.desired and budget.launch:
        paid = state._replace(budget=budget._replace(launch=budget.launch - 1))
        yield Step("the group launches an instance", -1, launch(paid))
        if budget.twin:
            paid = paid._replace(budget=paid.budget._replace(twin=budget.twin - 1))
            for i, node in enumerate(state.nodes):
                if node.ec2 == ENDED and node.member and not any(n.is_twin for n in state.nodes):
                    yield Step("the group launches an instance at {0}'s address", i, launch(paid, as_twin_of=i))
    if budget.scale:
        for desired in desires:
            if desired != state.desired:
                scaled = state._replace(desired=desired, budget=budget._replace(scale=budget.scale - 1))
                yield Step(f"an operator sets the desired capacity to {desired}", -1, scaled)


def _instance_steps(state: State, i: int) -> Iterator[Step]:
    """Auto Scaling and EC2."""
    node, budget = state.nodes[i], state.budget
    listed = node.lifecycle in (WAITING, IN_SERVICE)
    if listed and capacity(state) > state.desired:
        yield Step("the group scales in: it terminates {0}", i, with_node(state, i, lifecycle=LEAVING))
    if node.lifecycle == IN_SERVICE and not (node.is_healthy and node.ec2 == RUNNING):
        yield Step("the group terminates {0}, which is unhealthy", i, with_node(state, i, lifecycle=LEAVING))
    elif node.lifecycle == IN_SERVICE and budget.terminate:
        paid = state._replace(budget=budget._replace(terminate=budget.terminate - 1))
        yield Step("the group terminates {0} to replace it", i, with_node(paid, i, lifecycle=LEAVING))
    if node.lifecycle == IN_SERVICE and budget.standby:
        paid = state._replace(budget=budget._replace(standby=budget.standby - 1), desired=max(state.desired - 1, 0))
        yield Step("an operator puts {0} on standby", i, with_node(paid, i, lifecycle=STANDBY))
    if node.ec2 == ENDING:
        yield Step("{0} ends", i, end(state, i))
    if budget.time_out and node.lifecycle in (WAITING, LEAVING):
        paid = state._replace(budget=budget._replace(time_out=budget.time_out - 1))
        yield Step("the hook of {0} times out", i, outdate(abandon(paid, i)))


def end(state: State, i: int) -> State:
    """Have an instance be over: what it had is gone."""
    return outdate(with_node(state, i, ec2=ENDED))


def abandon(state: State, i: int) -> State:
    """End a lifecycle action in ABANDON: a launch goes on to terminate, a terminating instance is retained."""
    node = state.nodes[i]
    if node.lifecycle == WAITING:
        return with_node(state, i, lifecycle=LEAVING)
    if node.ec2 == RUNNING:
        return with_node(state, i, lifecycle=RETAINED)
    return release(state, i)


def release(state: State, i: int) -> State:
    """Let a terminating instance go."""
    ec2 = max(state.nodes[i].ec2, ENDING)
    return with_node(state, i, lifecycle=UNLISTED, ec2=ec2)


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
    if not node.member or not has_quorum(state.nodes, node.cluster):
        return
    if node.process in (STARTING, READY) and not node.is_caught_up:
        yield Step("the log of {0} catches up", i, with_node(state, i, is_caught_up=1))
    if node.process == STARTING:
        published = {LEARNER_UNSTARTED: LEARNER, VOTER_UNSTARTED: VOTER}.get(node.member, node.member)
        yield Step("{0} publishes itself and serves", i, outdate(with_node(state, i, process=READY, member=published)))


def _boot(state: State, i: int) -> Iterator[Step]:
    """The agent reads the record; etcd starts from what it wrote, or from its data."""
    node = state.nodes[i]
    what = boot(state.head, node.entry, node.data)
    if what is Boot.NEW and node.data in (EMPTY, FOREIGN):
        yield Step("the agent on {0} writes its file, state new", i, with_node(state, i, has_file=1))
    elif what is not Boot.NOT and node.data == OWN:
        if node.member:
            yield Step("etcd starts again on {0}", i, with_node(state, i, process=STARTING))
    elif what in (Boot.NEW, Boot.EXISTING) and node.member:
        # A learner without its log panics; a voter may get through, and what it had acknowledged is lost.
        forgot = node.data == LOST or node.member in (LEARNER, VOTER)
        problem = "INV-5: a voter that lost its log starts anew" if forgot else ""
        if (node.member >= VOTER_UNSTARTED or not forgot) and _is_listed_as_live(state, node):
            yield Step("etcd starts on {0} to join", i, with_node(state, i, process=STARTING, data=OWN), problem)


def _is_listed_as_live(state: State, node: Node) -> bool:
    return all(
        (n.entry.kind != NOBODY) == (n.member != NOBODY and n.cluster == node.cluster)
        and (n.entry.kind == NOBODY or n.entry.life == n.life)
        for n in state.nodes
    )


def _start_new(state: State, i: int) -> Step:
    """Start etcd with state ``new``: every host of a cohort has the same list, whichever starts first."""
    node = state.nodes[i]
    generation = state.head.generation
    nodes = list(state.nodes)
    if not members_of(nodes, generation):
        nodes = [n._replace(member=VOTER_UNSTARTED, cluster=generation, life=0) if n.entry.kind else n for n in nodes]
    nodes[i] = nodes[i]._replace(has_file=0)
    changed = state._replace(nodes=tuple(nodes))
    if nodes[i].member and nodes[i].cluster == generation and node.data in (EMPTY, FOREIGN):
        changed = with_node(changed, i, process=STARTING, data=OWN, is_caught_up=1)
    return Step("etcd starts on {0}, state new", i, changed)


def _fault_steps(state: State, i: int) -> Iterator[Step]:
    node, budget = state.nodes[i], state.budget
    up = node.process not in (OFF, HUNG) and node.ec2 != ENDED
    faults = (
        ("lose", node.ec2 == RUNNING and node.lifecycle != UNLISTED, "the host {0} dies", {"ec2": ENDED}),
        ("crash", up, "etcd on {0} crashes", {"process": OFF}),
        ("wipe", node.process == OFF and node.data == OWN, "the disk of {0} is lost", {"data": LOST}),
        ("hang", up, "etcd on {0} hangs", {"process": HUNG}),
        ("hide", node.process == READY, "the controller no longer reaches {0}", {"process": HIDDEN}),
        ("cut", node.process == READY, "{0} is cut off from its peers", {"process": CUT}),
    )
    for name, is_possible, text, change in faults:
        left: int = getattr(budget, name)
        if left and is_possible:
            paid = state._replace(budget=budget._replace(**{name: left - 1}))
            yield Step(text, i, outdate(with_node(paid, i, **change)))
    if node.process in (HUNG, HIDDEN, CUT):
        yield Step("{0} is itself again", i, heal(state, i))


def heal(state: State, i: int) -> State:
    """End a hang or a partition: who has been removed meanwhile finds that out and exits."""
    node = state.nodes[i]
    if not node.member:
        return with_node(state, i, process=OFF)
    return with_node(state, i, process=READY if node.member in (LEARNER, VOTER) else STARTING)


def outdate(state: State, *, but: int = -1) -> State:
    """Note that what the controllers are about to do rests on what is no longer so."""
    if all(c.call == NO_CALL or i == but for i, c in enumerate(state.controls)):
        return state
    return state._replace(
        controls=tuple(
            c._replace(is_outdated=1) if c.call != NO_CALL and i != but else c for i, c in enumerate(state.controls)
        )
    )


def time_steps(state: State) -> Iterator[Step]:
    """Yield the waiting times that can be over."""
    head = state.head
    if head.state == NEW and not head.is_overdue:
        claim = state.claim._replace(is_overdue=1) if state.claim.generation else state.claim
        yield Step("the formation time-out passes", -1, state._replace(head=head._replace(is_overdue=1), claim=claim))
    if (
        head.state not in (NEW, EXISTING)
        and not state.is_window_over
        and any(n.lifecycle == WAITING for n in state.nodes)
    ):
        yield Step("the gather window passes", -1, state._replace(is_window_over=1))
    entries = [n.entry for n in state.nodes]
    if any(e.kind in (LEARNER_UNSTARTED, LEARNER, VOTER_UNSTARTED) and not e.is_overdue for e in entries):
        late = [
            e._replace(is_overdue=1) if e.kind in (LEARNER_UNSTARTED, LEARNER, VOTER_UNSTARTED) else e for e in entries
        ]
        yield Step("the join time-out passes", -1, _with_entries(state, late))
    if any(e.silent == 1 for e in entries):
        late = [e._replace(silent=2) if e.silent else e for e in entries]
        yield Step("the grace period of the silent passes", -1, _with_entries(state, late))
    if any(e.leaving == 1 for e in entries):
        late = [e._replace(leaving=2) if e.leaving else e for e in entries]
        yield Step("the wait for a replacement passes", -1, _with_entries(state, late))


def _with_entries(state: State, entries: list) -> State:  # type: ignore[type-arg]
    nodes = tuple([n._replace(entry=e) for n, e in zip(state.nodes, entries, strict=True)])
    return state._replace(nodes=nodes)


def _lag_steps(state: State) -> Iterator[Step]:
    if state.lag:
        yield Step("AWS's answers are current again", -1, catch_up(state))
    elif state.budget.lag:
        nodes = tuple([n._replace(lag=Seen(n.lifecycle, n.ec2, n.is_healthy)) for n in state.nodes])
        budget = state.budget._replace(lag=state.budget.lag - 1)
        lagging = state._replace(nodes=nodes, lag=1 + state.desired, budget=budget)
        yield Step("from here on, AWS's answers may be old", -1, lagging)


def catch_up(state: State) -> State:
    """Have AWS tell the truth again."""
    return state._replace(nodes=tuple([n._replace(lag=()) for n in state.nodes]), lag=0)


def see(state: State, group_lags: int, ec2_lags: int) -> State:
    """Have AWS never go back behind an answer that it gave."""
    if not state.lag or (group_lags and ec2_lags):
        return state
    if not group_lags and not ec2_lags:
        return catch_up(state)
    nodes = []
    for node in state.nodes:
        old = node.lag or Seen(node.lifecycle, node.ec2, node.is_healthy)
        group, ec2 = (old.lifecycle, old.is_healthy), old.ec2
        if group_lags:
            ec2 = node.ec2
        else:
            group = (node.lifecycle, node.is_healthy)
        nodes.append(node._replace(lag=Seen(group[0], ec2, group[1])))
    return state._replace(nodes=tuple(nodes), lag=state.lag if group_lags else 1 + state.desired)
