"""A sequence of operations, and what the explorer's etcd and the fake, which agree, answer and show after each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etcd_aws_cluster.core.model import Member, MemberId
from tests.explorer.both import COUNT, URLS, Both, FakeAlone
from tests.explorer.state import (
    ADD_LEARNER,
    ADD_VOTER,
    EMPTY,
    FOREIGN,
    HUNG,
    LEARNER,
    LEARNER_UNSTARTED,
    MOVE_LEADERSHIP,
    OFF,
    OWN,
    PROMOTE,
    READY,
    REMOVE,
    STARTING,
    VOTER_UNSTARTED,
    Node,
    has_quorum,
)
from tests.fakes.etcd_hosts import endpoint_of
from tests.fakes.fake_membership import FakeEtcd

OPERATIONS = 16
CALLS = {
    ADD_LEARNER: "add learner",
    ADD_VOTER: "add voter",
    PROMOTE: "promote",
    REMOVE: "remove",
    MOVE_LEADERSHIP: "move leadership to",
}
FORM, START, KILL, FREEZE, RESUME = "form", "start", "crash", "hang", "resume"

Listed = frozenset[tuple[int, bool, bool]]
"""A member list: host, whether it is a learner, whether it has started."""


@dataclass(frozen=True)
class Operation:
    """A call (one of ``CALLS``) about ``host``, asked at ``door``; or what happens to the process on ``host``."""

    what: int | str
    host: int
    door: int = -1

    def __str__(self) -> str:
        if isinstance(self.what, str):
            return f"{self.what} {self.host}"
        return f"{CALLS[self.what]} {self.host}, asked at {self.door}"


@dataclass(frozen=True)
class View:
    """What one host shows.

    Attributes:
        is_running: Its process is there.
        answers: It says who it is.
        is_learner: It says that it is one.
        listed: The list that a linearizable read vouches for.
        leader: Whom it takes for the leader; only where it gives a list.
    """

    is_running: bool = False
    answers: bool = False
    is_learner: bool = False
    listed: Listed | None = None
    leader: int | None = None


@dataclass(frozen=True)
class Step:
    """An operation, its answer, and what all hosts show then.

    Attributes:
        answer: Its kind, see ``both.answer_to``; empty for what is no call.
        views: By host; None where the process is frozen.
        members: The hosts that are members.
        heard: By host; the members that it counts as connected.
        leader: None without a quorum.
    """

    operation: Operation
    answer: str
    views: tuple[View | None, ...]
    members: frozenset[int]
    heard: tuple[frozenset[int], ...]
    leader: int | None


@dataclass(frozen=True)
class Script:
    """A cluster of ``size`` and what is done to it.

    Attributes:
        steps: The first is that it forms.
        broader: How often the explorer's etcd took what this fake did not, being allowed to.
    """

    size: int
    steps: Sequence[Step]
    broader: int = 0


def fake_of(case: str) -> FakeEtcd:
    """Return the fake of an API and an etcd, for example ``v2 3.4``."""
    api, _, version = case.partition(" ")
    return FakeEtcd(version="2.3.8" if api == "v2" else version, notices_hung=version < "3.5")


def write(case: str, seed: int, *, operations: int = OPERATIONS) -> Script:
    """Make up a sequence; the same for the same seed, for all versions up to where these differ.

    Raises:
        AssertionError: The explorer's etcd and the fake differ.
    """
    dice = random.Random(seed)  # noqa: S311 - any order will do
    size = dice.choice([1, 2, 3, 3])
    both = Both(size, fake_of(case))
    steps = [do(both, Operation(FORM, 0))]
    for _ in range(operations):
        choices = list(_choices(dice, both, is_v2=case.startswith("v2")))
        (operation,) = dice.choices([o for o, _ in choices], [weight for _, weight in choices])
        steps.append(do(both, operation))
    return Script(size, steps, both.broader)


def written(size: int, operations: Sequence[Operation], fake: FakeEtcd) -> Script:
    """Return a script of given calls and of what one fake, whatever the explorer's etcd says, makes of them."""
    both = FakeAlone(size, fake)
    return Script(size, [do(both, operation) for operation in (Operation(FORM, 0), *operations)])


def do(both: Both, operation: Operation) -> Step:
    """Do it to the explorer's etcd and to the fake.

    Raises:
        AssertionError: They differ.
    """
    answer = ""
    if isinstance(operation.what, int):
        answer = both.call(operation.what, operation.host, operation.door)
    else:
        both.happen(operation.host, operation.what)
        if operation.what == START:  # the database is empty: there is nothing to wait for
            both.happen(operation.host, "catch up")
    both.settle()
    both.compare()
    hosts = range(COUNT)
    members = frozenset(i for i in hosts if both.id_of(i) in both.cluster.members)
    heard = tuple(frozenset(j for j in members if j != i and _hears(both, i, j)) for i in hosts)
    views = tuple(_view(both, i) for i in hosts)
    return Step(operation, answer, views, members, heard, _host_of(both, _leader(both)))


def as_listed(members: Iterable[Member], hosts: Mapping[str, int]) -> Listed:
    """Return a member list; ``hosts`` are known by their peer URLs."""
    return frozenset((hosts[m.peer_urls[0]], m.is_learner, m.is_started) for m in members)


def _hears(both: Both, host: int, other: int) -> bool:
    one, two = (both.fake.processes.get(f"i-{i}") for i in (host, other))
    return one is not None and two is not None and both.fake.hears(one, two)


def _leader(both: Both) -> MemberId | None:
    return both.cluster.leader_id


def _host_of(both: Both, member_id: MemberId | None) -> int | None:
    return next((i for i in range(COUNT) if member_id and both.id_of(i) == member_id), None)


def _view(both: Both, host: int) -> View | None:
    process = both.fake.processes.get(f"i-{host}")
    if process is None or not process.is_running:
        return View()
    if process.is_hung:
        return None
    reading = both.fake.read(endpoint_of(process.peer_url))
    hosts = {url: i for i, url in enumerate(URLS.values())}
    listed = reading.members
    return View(
        is_running=True,
        answers=reading.cluster_id is not None,
        is_learner=reading.is_learner,
        listed=None
        if listed is None
        else frozenset((hosts[m.peer_urls[0]], m.is_learner, m.is_started) for m in listed),
        leader=None if listed is None else _host_of(both, reading.leader_id),
    )


def _choices(dice: random.Random, both: Both, *, is_v2: bool) -> Iterator[tuple[Operation, float]]:
    """Yield what may be done next, and how much it is wanted: changes that get somewhere, faults that end again."""
    nodes = both.state.nodes
    is_led = has_quorum(nodes, 1)
    for host, node in enumerate(nodes):
        yield from _happenings(nodes, host, is_led=is_led)
        door = _door(dice, both)
        if node.process != HUNG or node.member:  # a frozen host that is added anew: see docs/explorer.md
            is_newcomer = not node.member
            if not is_v2 or dice.random() < 0.1:
                yield Operation(ADD_LEARNER, host, door), 2 if is_newcomer else 0.2
            yield Operation(ADD_VOTER, host, door), (2 if is_v2 else 0.5) if is_newcomer else 0.2
        if not is_v2 or dice.random() < 0.1:
            yield Operation(PROMOTE, host, door), 4 if node.member in (LEARNER, LEARNER_UNSTARTED) else 0.2
            yield Operation(MOVE_LEADERSHIP, host, _leader_or(dice, both, door)), 0.4
        yield Operation(REMOVE, host, door), 0.8 if node.member else 0.2


def _happenings(nodes: Sequence[Node], host: int, *, is_led: bool) -> Iterator[tuple[Operation, float]]:
    node = nodes[host]
    if node.process == OFF and _can_start(nodes, host, is_led=is_led):
        is_wanted = node.member and node.data in (OWN, EMPTY, FOREIGN)
        yield Operation(START, host), (8 if is_led else 16) if is_wanted else 0.3
    elif node.process == HUNG and (node.member or is_led):  # who is no member is told so by the others
        yield Operation(RESUME, host), 3 if is_led else 10
    elif node.process == READY:
        yield Operation(KILL, host), 0.5
        yield Operation(FREEZE, host), 0.3


def _can_start(nodes: Sequence[Node], host: int, *, is_led: bool) -> bool:
    node = nodes[host]
    if node.member and node.data == OWN:
        return True
    if not node.member:  # it finds out from the others that it must not run
        return is_led and node.data == FOREIGN
    # A joiner asks the members in turn who is there: one that hangs keeps it waiting (60 s and more were seen).
    if any(n.member and n.process == HUNG for n in nodes):
        return False
    # Without anybody to ask who the members are, etcd exits and systemd starts it again: as if it started later.
    others = [n for i, n in enumerate(nodes) if i != host and n.member and n.data == OWN]
    is_new = node.member in (LEARNER_UNSTARTED, VOTER_UNSTARTED)
    return is_new and any(n.process in (STARTING, READY) for n in others)


def _door(dice: random.Random, both: Both) -> int:
    ready = [i for i, n in enumerate(both.state.nodes) if n.process == READY]
    return dice.choice(ready) if ready and dice.random() < 0.9 else dice.randrange(COUNT)


def _leader_or(dice: random.Random, both: Both, door: int) -> int:
    leader = _host_of(both, _leader(both))
    return leader if leader is not None and dice.random() < 0.7 else door
