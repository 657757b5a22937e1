"""One etcd twice: as the explorer has it and as the fake has it. What is done to one is done to the other."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from etcd_aws_cluster.core.errors import EtcdError, NotSentError, RejectedError, Rejection
from etcd_aws_cluster.core.model import Member, MemberId
from tests.explorer import hosts
from tests.explorer.etcd import Rules, change
from tests.explorer.render import Names
from tests.explorer.sight import SILENT, Age, reading_of, sight_of
from tests.explorer.state import (
    ADD_LEARNER,
    ADD_VOTER,
    CONNECTED,
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
from tests.fakes.etcd_hosts import Cluster, endpoint_of
from tests.fakes.fake_membership import FakeEtcd

COUNT = 5
URLS = {f"i-{n}": f"http://10.0.0.{n + 1}:2380" for n in range(COUNT)}
DONE, NOT_SENT, UNKNOWN = "DONE", "NOT_SENT", "UNKNOWN"


def answer_to(ask: Callable[[], None]) -> tuple[str, str]:
    """Return what kind of answer a change got, and its words: a rejection's name, or one of the three above."""
    try:
        ask()
    except RejectedError as error:
        return error.rejection.name, str(error)
    except NotSentError as error:
        return NOT_SENT, str(error)
    except EtcdError as error:
        return UNKNOWN, str(error)
    return DONE, ""


class Both:
    """Nodes are never sorted here: node ``n`` is instance ``i-n``.

    Args:
        size: Voters that it is formed of.
        fake: etcd 3.5 by default; one of 2.x is asked for no learners, and not to move leadership.

    Attributes:
        broader: How often the model took what this fake did not, being allowed to.
        old_lists: How often a member that is behind told another list than that of now.
    """

    def __init__(self, size: int = 3, fake: FakeEtcd | None = None) -> None:
        self.fake = fake or FakeEtcd()
        self.fake.form({name: URLS[name] for name in list(URLS)[:size]})
        voter = Node(lifecycle=IN_SERVICE, process=READY, data=OWN, member=VOTER, cluster=1, life=0, is_caught_up=1)
        spare = Node(lifecycle=IN_SERVICE)
        self.state = State(nodes=(*[voter] * size, *[spare] * (COUNT - size)), desired=size)
        self.broader = 0
        self.old_lists = 0
        self._lists: dict[int, tuple[Member, ...]] = {}
        self._rules = Rules(notices_hung=self.fake.notices_hung, adds_beside_unconnected=self.fake.version >= "3.6")
        self._ids: dict[int, MemberId] = {}
        self.lead()

    @property
    def cluster(self) -> Cluster:
        """The only one."""
        return self.fake.clusters[0]

    def id_of(self, node: int) -> MemberId:
        """Return the fake's id of a node's member, the last one if it is none, 1 if it never was."""
        url = URLS[f"i-{node}"]
        for member in self.cluster.members.values():
            if url in member.peer_urls:
                self._ids[node] = member.member_id
        return self._ids.get(node, MemberId(1))

    def lead(self) -> None:
        """Who leads is nobody's choice: take the fake's leader over."""
        for i in range(COUNT):
            self.state = with_node(self.state, i, leads=int(self.id_of(i) == self.cluster.leader_id))

    def call(self, call: int, target: int, door: int) -> str:
        """Make a change in both; return the fake's answer."""
        endpoint, url, member_id = endpoint_of(URLS[f"i-{door}"]), URLS[f"i-{target}"], self.id_of(target)
        calls: dict[int, Callable[[], None]] = {
            ADD_LEARNER: lambda: self.fake.add_member(endpoint, url, as_learner=True),
            ADD_VOTER: lambda: self.fake.add_member(endpoint, url, as_learner=False),
            PROMOTE: lambda: self.fake.promote_member(endpoint, member_id),
            REMOVE: lambda: self.fake.remove_member(endpoint, member_id),
            MOVE_LEADERSHIP: lambda: self.fake.move_leadership(endpoint, member_id),
        }
        said, words = answer_to(calls[call])
        self._compare_answer(call, target, door, said, words)
        return said

    def _compare_answer(self, call: int, target: int, door: int, said: str, words: str) -> None:
        is_asked_of_the_model = call in (ADD_VOTER, REMOVE) or not self.fake.version.startswith("2.")
        changed = change(self.state, call, target, door, self._rules) if is_asked_of_the_model else None
        asked = f"call {call} about {target} by {door}"
        if said == DONE:
            assert changed is not None, f"{asked}: only the fake takes it"
            self.state = changed
        elif changed is not None:
            assert self._may_be_broader(call, target, said), f"{asked}: only the explorer's etcd takes it: {words}"
            self.broader += 1

    def _may_be_broader(self, call: int, target: int, said: str) -> bool:
        """Whether the answer depends on what the explorer does not keep; it plays a call without effect as well."""
        nodes = self.state.nodes
        if call == PROMOTE:  # of a dead learner: who has led since
            has_died = nodes[target].is_caught_up and nodes[target].process not in CONNECTED
            return bool(has_died) and said == Rejection.NOT_IN_SYNC.name
        has_hung = any(n.process == HUNG and n.member >= VOTER_UNSTARTED for n in nodes)
        return has_hung and said == Rejection.UNHEALTHY_CLUSTER.name  # who was started since the hang

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
        elif what == "resume" and process == HUNG:
            self.fake.heal(at)
            self.state = hosts.heal(self.state, node)
        elif process == READY and what in ("hang", "hide", "cut"):
            act = {"hang": self.fake.hang, "hide": self.fake.hide, "cut": self.fake.partition}[what]
            if what == "cut" and not any(n.is_behind for n in self.state.nodes):
                self.state = hosts.fall_behind(self.state, node)
                self._lists = {node: self._live()}
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

    def settle(self) -> None:
        """Have processes publish themselves as soon as they can, as the fake's do."""
        self.lead()
        for i in range(COUNT):
            for step in hosts.host_steps(self.state, i):
                if "publishes" in step.text:
                    self.state = step.state

    def compare(self) -> None:
        """Assert that both show the same."""
        nodes = self.state.nodes
        assert has_quorum(nodes, 1) == self.fake.has_quorum(self.cluster)
        for i, node in enumerate(nodes):
            member = self.cluster.members.get(self.id_of(i))
            process = self.fake.processes.get(f"i-{i}")
            assert (process is not None and process.is_running) == (node.process != OFF), i
            assert (member is not None) == (node.member != NOBODY), i
            if member is not None:
                assert member.is_learner == (node.member in (LEARNER, LEARNER_UNSTARTED)), i
                assert member.is_started == (node.member in (LEARNER, VOTER)), i
            reading = self.fake.read(endpoint_of(URLS[f"i-{i}"]))
            if member is not None:
                assert (reading.cluster_id is not None) == (node.process in (READY, CUT)), i
                serves = node.process == READY and node.member == VOTER and node.is_caught_up and has_quorum(nodes, 1)
                assert reading.is_linearizable == bool(serves), i

    def compare_lists(self) -> None:
        """Assert that who is behind tells, as the explorer has it, the list that the fake had then; others today's."""
        facts = sight_of(self.state, 0, Age(), has_learners=False).facts
        for i, fact in enumerate(facts):
            told = reading_of(i, facts, Names(COUNT), has_learners=False)
            listed = told.members or told.unproven_members
            if fact.reading == SILENT or listed is None:
                continue
            expected = self._lists[i] if self.state.nodes[i].is_behind else self._live()
            assert sorted(map(_shape, listed)) == sorted(map(_shape, expected)), i
            self.old_lists += sorted(map(_shape, listed)) != sorted(map(_shape, self._live()))

    def _live(self) -> tuple[Member, ...]:
        return tuple(self.cluster.members.values())


def _shape(member: Member) -> tuple[str, bool, bool]:
    """Return what is alike in both lists: who it is, by its address, and its kind."""
    return urlsplit(member.peer_urls[0]).hostname or "", member.is_learner, member.is_started


class FakeAlone(Both):
    """The fake, however it differs from the explorer's etcd."""

    def _compare_answer(self, call: int, target: int, door: int, said: str, words: str) -> None: ...

    def compare(self) -> None:
        """Compare nothing."""
