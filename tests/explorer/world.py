"""What happens without the controllers: AWS, operators, time, and what ``hosts`` and ``store`` tell of."""

from __future__ import annotations

from collections.abc import Iterator

from tests.explorer import hosts, store
from tests.explorer.state import (
    ENDED,
    ENDING,
    EXISTING,
    IN_SERVICE,
    LEARNER,
    LEARNER_UNSTARTED,
    LEAVING,
    NEW,
    RETAINED,
    RUNNING,
    STANDBY,
    UNLISTED,
    UNSEEN,
    VOTER_UNSTARTED,
    WAITING,
    Node,
    Seen,
    State,
    Step,
    outdate,
    with_node,
)


def steps(state: State, desires: tuple[int, ...]) -> Iterator[Step]:
    """Yield everything that can happen next but for the controllers."""
    yield from _group_steps(state, desires)
    for i in range(len(state.nodes)):
        yield from _instance_steps(state, i)
        yield from hosts.host_steps(state, i)
        yield from hosts.fault_steps(state, i)
    yield from time_steps(state)
    yield from _lag_steps(state)
    yield from store.steps(state)


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
    if budget.delete and not state.is_deleting:
        paid = state._replace(budget=budget._replace(delete=budget.delete - 1))
        yield Step("an operator deletes the group", -1, outdate(paid._replace(is_deleting=1, desired=0)))


def _instance_steps(state: State, i: int) -> Iterator[Step]:
    """Auto Scaling and EC2."""
    node, budget = state.nodes[i], state.budget
    listed = node.lifecycle in (WAITING, IN_SERVICE)
    if state.is_deleting and node.lifecycle != UNLISTED:
        yield Step("the group, being deleted, ends {0} without a hook", i, outdate(release(state, i)))
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
    if node.lifecycle == IN_SERVICE and budget.detach and node.ec2 == RUNNING:
        paid = state._replace(budget=budget._replace(detach=budget.detach - 1))
        detached = with_node(paid, i, lifecycle=UNLISTED)
        yield Step("an operator detaches {0}, and the group launches another", i, detached)
        fewer = detached._replace(desired=max(state.desired - 1, 0))
        yield Step("an operator detaches {0}, and the desired capacity sinks by one", i, fewer)
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
