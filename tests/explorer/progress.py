"""INV-8: whatever has happened, with calm the goal is reached: as many voters as desired, all of them in service."""

from __future__ import annotations

from tests.explorer import effects, hosts, memory, store, world
from tests.explorer.etcd import Rules
from tests.explorer.fold import settle
from tests.explorer.mind import choices
from tests.explorer.state import (
    CUT,
    ENDED,
    ENDING,
    EXISTING,
    HIDDEN,
    HUNG,
    IN_SERVICE,
    LEAVING,
    NEW,
    NO_CALL,
    NO_RECORD,
    OFF,
    READY,
    RETAINED,
    RETIRED,
    RUNNING,
    STANDBY,
    UNLISTED,
    VOTER,
    WAITING,
    Node,
    State,
    has_quorum,
    with_node,
)

MOST_STEPS = 600


class Progress:
    """Follows the one fair schedule without faults; what was followed once is known."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._good: set[int] = set()

    @property
    def known(self) -> int:
        """From how many states the goal is known to be reached."""
        return len(self._good)

    def problem(self, state: State) -> str:
        """Return why the goal is not reached, or nothing: it is, or nobody could."""
        way: list[int] = []
        seen: set[int] = set()
        while True:
            mark = hash(state)
            if mark in self._good:
                break
            if mark in seen or len(way) > MOST_STEPS:
                return "INV-8: it goes round in circles"
            way.append(mark)
            seen.add(mark)
            after, says = self._next(state)
            if after is None:
                if is_goal(state) or is_beyond_help(state):
                    break
                return f"INV-8: stuck, the controller says: {says}"
            state = after
        self._good.update(way)
        return ""

    def last(self, state: State) -> tuple[State, list[str]]:
        """Return where calm leads, and how."""
        said: list[str] = []
        for _ in range(MOST_STEPS):
            after, says = self._next(state)
            said.append(says)
            if after is None:
                break
            state = after
        return state, said

    def _next(self, state: State) -> tuple[State | None, str]:
        """Return the state after one step of the schedule, None where nothing is left to happen, and what is said."""
        calm = _calm(state)
        if calm is None:
            calm = _hosts(state)
        if calm is not None:
            return settle(calm)[0], "the world goes on"
        acted, says, keeps = self._act(state)
        if acted is not None:
            return settle(acted)[0], says
        passed = next((s.state for s in world.time_steps(state)), None)
        if passed is not None:
            return settle(passed)[0], says + "; time passes"
        for i, node in enumerate(state.nodes):
            if node.lifecycle in (WAITING, LEAVING) and i not in keeps:
                return settle(world.abandon(state, i))[0], says + "; a hook times out"
        return None, says

    def _act(self, state: State) -> tuple[State | None, str, frozenset[int]]:
        """Have the controller look once and make its call."""
        choice, _ = next(choices(state, 0, has_learners=self._rules.has_learners))
        acting = memory.decide(state, 0, choice)
        while acting.controls[0].call != NO_CALL:
            made = effects.best(acting, self._rules)
            if made is None:
                return None, f"{choice.text}: refused", choice.keeps
            acting = made
        acted = memory.forget(acting, 0)
        return (acted if settle(acted)[0] != state else None), choice.text, choice.keeps


def _calm(state: State) -> State | None:
    """End what is under way: second controllers, old answers, stuck calls, partitions."""
    for control in range(len(state.controls)):
        if memory.forget(state, control) != state:
            return memory.forget(state, control)
    if state.lag:
        return world.catch_up(state)
    if state.recalled or state.stuck:
        return store.unstick(store.forget(state))
    if state.late != NO_CALL:
        i = next(i for i, n in enumerate(state.nodes) if n.is_late)
        return with_node(state, i, is_late=0)._replace(late=NO_CALL)
    for i, node in enumerate(state.nodes):
        # A hang lasts: the controller has to replace it. Nobody may replace what an operator has set aside.
        if node.process in (HIDDEN, CUT) or (node.process == HUNG and node.lifecycle in (STANDBY, RETAINED, UNLISTED)):
            return hosts.heal(state, i)
    return None


def _hosts(state: State) -> State | None:
    """Have AWS and the hosts do what they do by themselves."""
    for i in range(len(state.nodes)):
        after = _instance(state, i)
        if after is not None:
            return after
        for step in hosts.host_steps(state, i):
            if settle(step.state)[0] != state:
                return step.state
    size = world.capacity(state)
    if size < state.desired:
        return world.launch(state)
    if size > state.desired:
        i = next(i for i, n in enumerate(state.nodes) if n.lifecycle in (IN_SERVICE, WAITING))
        return with_node(state, i, lifecycle=LEAVING)
    return None


def _instance(state: State, i: int) -> State | None:
    node = state.nodes[i]
    if state.is_deleting and node.lifecycle != UNLISTED:
        return world.release(state, i)
    if node.ec2 == ENDING:
        return world.end(state, i)
    if node.lifecycle == IN_SERVICE and not (node.is_healthy and node.ec2 == RUNNING):
        return with_node(state, i, lifecycle=LEAVING)
    if node.lifecycle == STANDBY and node.ec2 == ENDED:
        return with_node(state, i, lifecycle=UNLISTED)
    return None


def is_aside(node: Node) -> bool:
    """Whether an instance has been set aside: on standby, retained, detached."""
    return node.lifecycle in (STANDBY, RETAINED) or (node.lifecycle == UNLISTED and node.ec2 == RUNNING)


def is_goal(state: State) -> bool:
    """Whether the desired voters are there, all in service, and all is written down."""
    voters = {i for i, n in enumerate(state.nodes) if n.member}
    in_service = {i for i, n in enumerate(state.nodes) if n.lifecycle == IN_SERVICE}
    if state.is_deleting:
        return all(n.lifecycle == UNLISTED for n in state.nodes)
    aside = {i for i, n in enumerate(state.nodes) if is_aside(n)}
    if not state.desired and not aside:
        return not in_service and all(n.ec2 == ENDED for n in state.nodes) and state.head.state != NEW
    return (
        state.head.state == EXISTING
        and in_service <= voters <= in_service | aside
        and len(in_service) == state.desired
        and all(state.nodes[i].member == VOTER and state.nodes[i].process == READY for i in in_service)
        and all(n.lifecycle not in (WAITING, LEAVING) for n in state.nodes)
        and all((n.entry.kind == n.member) for n in state.nodes)
        and state.plain == 1
    )


def is_beyond_help(state: State) -> bool:
    """Whether only a person can go on: no quorum is left, or something stays that the controller may not touch."""
    if state.head.state == EXISTING:
        dead = any(n.member and n.process == OFF and is_aside(n) for n in state.nodes)
        return dead or not has_quorum(state.nodes, state.head.cluster)
    if state.head.state == NO_RECORD:
        alone = any(n.lifecycle in (IN_SERVICE, STANDBY) for n in state.nodes)
        return alone and not any(has_quorum(state.nodes, n.cluster) for n in state.nodes)
    return state.head.state in (RETIRED, NEW) and any(is_aside(n) and n.ec2 != ENDED for n in state.nodes)
