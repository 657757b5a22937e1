"""The explorer's etcd, held to the fake etcd, which tests/contract holds to real ones: the same steps, the same end."""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import urlsplit

from etcd_aws_cluster.core.errors import EtcdError
from etcd_aws_cluster.core.model import Member, MemberId
from tests.explorer import hosts
from tests.explorer.etcd import Rules, change
from tests.explorer.render import Names
from tests.explorer.sight import SILENT, Age, reading_of, sight_of
from tests.explorer.state import (
    ADD_LEARNER,
    CUT,
    EMPTY,
    HIDDEN,
    HUNG,
    IN_SERVICE,
    LEARNER,
    LEARNER_UNSTARTED,
    MOVE_LEADERSHIP,
    NOBODY,
    OFF,
    OWN,
    PROMOTE,
    READY,
    REMOVE,
    STARTING,
    VOTER,
    VOTER_UNSTARTED,
    Node,
    State,
    has_quorum,
    with_node,
)
from tests.fakes.etcd_hosts import endpoint_of
from tests.fakes.fake_membership import FakeEtcd

COUNT, SEEDS, STEPS = 5, 100, 80
RULES = Rules(is_strict=True)
URLS = {f"i-{n}": f"http://10.0.0.{n + 1}:2380" for n in range(COUNT)}


class Both:
    """One etcd as the explorer has it and one as the fake has it; nodes are never sorted here."""

    def __init__(self) -> None:
        self.fake = FakeEtcd()
        self.fake.form({name: URLS[name] for name in list(URLS)[:3]})
        voter = Node(lifecycle=IN_SERVICE, process=READY, data=OWN, member=VOTER, cluster=1, life=0, is_caught_up=1)
        spare = Node(lifecycle=IN_SERVICE)
        self.state = State(nodes=(voter, voter, voter, spare, spare), desired=3)
        self.lists: dict[int, tuple[Member, ...]] = {}
        self.old_lists = 0
        self.lead()

    def id_of(self, node: int) -> MemberId | None:
        """Return the fake's id of a node's member."""
        (cluster,) = self.fake.clusters
        url = URLS[f"i-{node}"]
        return next((m.member_id for m in cluster.members.values() if url in m.peer_urls), None)

    def lead(self) -> None:
        """Who leads is nobody's choice: take the fake's leader over."""
        (cluster,) = self.fake.clusters
        for i in range(COUNT):
            leads = int(cluster.leader_id is not None and self.id_of(i) == cluster.leader_id)
            self.state = with_node(self.state, i, leads=leads)

    def call(self, call: int, target: int, door: int) -> None:
        """Make a change in both."""
        changed = change(self.state, call, target, door, RULES)
        endpoint, member_id = endpoint_of(URLS[f"i-{door}"]), self.id_of(target)
        calls: dict[int, Callable[[], None]] = {
            ADD_LEARNER: lambda: self.fake.add_member(endpoint, URLS[f"i-{target}"], as_learner=True),
            PROMOTE: lambda: self.fake.promote_member(endpoint, member_id or MemberId(1)),
            REMOVE: lambda: self.fake.remove_member(endpoint, member_id or MemberId(1)),
            MOVE_LEADERSHIP: lambda: self.fake.move_leadership(endpoint, member_id or MemberId(1)),
        }
        try:
            calls[call]()
        except EtcdError:
            assert changed is None, f"call {call} about {target} by {door}: only the explorer's etcd takes it"
        else:
            assert changed is not None, f"call {call} about {target} by {door}: only the fake takes it"
            self.state = changed

    def happen(self, node: int, what: str) -> None:
        """Have something happen to a process in both."""
        at, name, process = endpoint_of(URLS[f"i-{node}"]), f"i-{node}", self.state.nodes[node].process
        if what == "start" and process == OFF:
            self._start(node)
        elif what == "catch up" and process in (STARTING, READY):
            self.fake.catch_up(name)
            self.state = with_node(self.state, node, is_caught_up=1)
        elif what == "crash" and process != OFF:
            self.fake.stop(name)
            mine = self.fake.processes[name]
            mine.is_hung = mine.is_partitioned = mine.is_unreachable = False
            self.state = with_node(self.state, node, process=OFF)
        elif process == READY and what in ("hang", "hide", "cut"):
            act = {"hang": self.fake.hang, "hide": self.fake.hide, "cut": self.fake.partition}[what]
            if what == "cut" and not any(n.is_behind for n in self.state.nodes):
                self.state = hosts.fall_behind(self.state, node)
                self.lists = {node: self.live()}
            act(at)
            self.state = with_node(self.state, node, process={"hang": HUNG, "hide": HIDDEN, "cut": CUT}[what])
        elif what == "learn":
            for step in hosts.host_steps(self.state, node):
                if "has missed" in step.text:
                    self.state = step.state

    def _start(self, node: int) -> None:
        mine = self.state.nodes[node]
        may_start = mine.member != NOBODY and (mine.data == OWN or mine.member in (LEARNER_UNSTARTED, VOTER_UNSTARTED))
        before = self.fake.processes.get(f"i-{node}")
        if before:  # a host that has found its network again
            before.is_partitioned = before.is_unreachable = False
        if mine.data in (OWN, EMPTY):
            assert self.fake.start(f"i-{node}", URLS[f"i-{node}"]) is may_start
        elif may_start:  # the agent moves the data of another life aside
            self.fake.wipe(f"i-{node}")
            assert self.fake.start(f"i-{node}", URLS[f"i-{node}"])
        if may_start:
            self.state = with_node(self.state, node, process=STARTING, data=OWN)

    def live(self) -> tuple[Member, ...]:
        """Return the fake's member list as it is now."""
        (cluster,) = self.fake.clusters
        return tuple(cluster.members.values())

    def compare_lists(self) -> None:
        """Assert that who is behind tells, as the explorer has it, the list that the fake had then; others today's."""
        facts = sight_of(self.state, 0, Age(), has_learners=False).facts
        for i, fact in enumerate(facts):
            told = reading_of(i, facts, Names(COUNT), has_learners=False)
            listed = told.members or told.unproven_members
            if fact.reading == SILENT or listed is None:
                continue
            expected = self.lists[i] if self.state.nodes[i].is_behind else self.live()
            assert sorted(map(_shape, listed)) == sorted(map(_shape, expected)), i
            self.old_lists += sorted(map(_shape, listed)) != sorted(map(_shape, self.live()))

    def settle(self) -> None:
        """Have processes publish themselves as soon as they can, as the fake's do."""
        self.lead()
        for i in range(COUNT):
            for step in hosts.host_steps(self.state, i):
                if "publishes" in step.text:
                    self.state = step.state

    def compare(self) -> None:
        """Assert that both show the same."""
        (cluster,) = self.fake.clusters
        nodes = self.state.nodes
        assert has_quorum(nodes, 1) == self.fake.has_quorum(cluster)
        for i, node in enumerate(nodes):
            member = cluster.members.get(self.id_of(i) or MemberId(0))
            assert (member is not None) == (node.member != NOBODY), i
            if member is not None:
                assert member.is_learner == (node.member in (LEARNER, LEARNER_UNSTARTED)), i
                assert member.is_started == (node.member in (LEARNER, VOTER)), i
            reading = self.fake.read(endpoint_of(URLS[f"i-{i}"]))
            if member is not None:
                assert (reading.cluster_id is not None) == (node.process in (READY, CUT)), i
                serves = node.process == READY and node.member == VOTER and node.is_caught_up and has_quorum(nodes, 1)
                assert reading.is_linearizable == bool(serves), i


def _shape(member: Member) -> tuple[str, bool, bool]:
    """Return what is alike in both lists: who it is, by the last number of its address, and its kind."""
    return urlsplit(member.peer_urls[0]).hostname or "", member.is_learner, member.is_started


def test_the_explorers_etcd_does_what_the_fake_does() -> None:
    played = [_play(random.Random(seed)) for seed in range(SEEDS)]  # noqa: S311 - any order will do
    assert {call for taken, _ in played for call in taken} == {ADD_LEARNER, PROMOTE, REMOVE, MOVE_LEADERSHIP}
    assert sum(old for _, old in played) > 0, "nobody told an old list"


def _play(dice: random.Random) -> tuple[list[int], int]:
    """Do the same to both, at random; return the calls that changed something, and how often an old list was told."""
    both, taken = Both(), []
    for _ in range(STEPS):
        nodes = both.state.nodes
        node = dice.randrange(COUNT)
        newcomers = [i for i, n in enumerate(nodes) if n.member in (LEARNER, LEARNER_UNSTARTED)]
        if newcomers and dice.random() < 0.5:
            node = newcomers[0]
        ready = [i for i, n in enumerate(nodes) if n.process == READY] or [0]
        door = dice.choice(ready) if dice.random() < 0.7 else dice.randrange(COUNT)
        if dice.random() < 0.5:
            call = dice.choice([ADD_LEARNER, ADD_LEARNER, PROMOTE, PROMOTE, REMOVE, MOVE_LEADERSHIP])
            if call == ADD_LEARNER or nodes[node].member:
                before = both.state
                both.call(call, node, door)
                taken += [call] * (both.state != before)
        else:
            both.happen(node, dice.choice(["start"] * 4 + ["catch up"] * 3 + ["crash", "hang", "hide", "cut", "learn"]))
        both.settle()
        both.compare()
        both.compare_lists()
    return taken, both.old_lists
