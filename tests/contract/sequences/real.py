"""A real cluster goes through a script: the same answers, and in the end of each step the same member lists.

etcd takes time for what the fake does at once, so each comparison is one that comes true within ``WAIT_S``. After
each step every host is waited for until it shows what it must, its connections too: then the next answer no longer
depends on how fast things went, but for what ``_wait_for`` names.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

import requests

from etcd_aws_cluster.core.errors import Rejection
from etcd_aws_cluster.core.model import MemberId
from etcd_aws_cluster.core.ports import MembershipApi
from etcd_aws_cluster.etcd.client import EtcdClient
from tests.contract.sequences.script import FORM, FREEZE, KILL, START, Operation, Script, Step, View, as_listed
from tests.contract.worlds import V2Client
from tests.explorer.both import COUNT, DONE, NOT_SENT, UNKNOWN, answer_to
from tests.explorer.state import ADD_LEARNER, ADD_VOTER, MOVE_LEADERSHIP, PROMOTE, REMOVE
from tests.real_etcd import RealEtcd

WAIT_S = 90.0
"""For what etcd does by itself, many clusters on a busy machine."""

PADDING = 100
"""Keys written first: a dead learner stays within the 90 % of the leader's log that etcd calls in sync."""

V2_TIMEOUT_S = 8.0
"""etcd gives up a v2 change that nobody waits for after 7 s; one by v3 ends with its connection."""


ELECTION = "an election that nobody asked for"  # a busy machine

_FOR_A_TIME = {
    Rejection.UNHEALTHY_CLUSTER.name: "not connected for 5 s yet",  # as the asked member counts
    Rejection.TOO_SOON.name: "the id is made of the second",
}


class DifferenceError(AssertionError):
    """etcd does not do what the explorer's etcd and the fake do."""


class CutShortError(Exception):
    """What etcd does from here on depends on elections that the script knows nothing of."""


class RealCluster:
    """The cluster of a script.

    Args:
        hosts: Where its members run; all of them.
        is_v2: Which API is spoken.
        last_wait_s: For what must become true after the last step.

    Attributes:
        waits: How often an answer that etcd gives for a time only was asked for again, by reason.
    """

    def __init__(self, hosts: RealEtcd, *, is_v2: bool, last_wait_s: float = WAIT_S) -> None:
        second = timedelta(seconds=1)
        self._is_v2 = is_v2
        self._wait_s = WAIT_S
        self._last_wait_s = last_wait_s
        self._hosts = hosts
        kind = V2Client if is_v2 else EtcdClient
        self._client = kind(connect_timeout=second, read_timeout=second)
        self._v3 = EtcdClient(connect_timeout=second, read_timeout=second)
        self._names = [f"i-{i}" for i in range(COUNT)]
        self._ids: dict[int, MemberId] = {}
        self._have_served: set[int] = set()
        self.waits: Counter[str] = Counter()

    def play(self, script: Script) -> int:
        """Go through a script; return how many steps were compared, fewer where it was cut short.

        Raises:
            DifferenceError: etcd answered or showed something else.
        """
        self._hosts.form(self._names[: script.size])
        for number, step in enumerate(script.steps):
            before = script.steps[number - 1] if number else None
            if number == len(script.steps) - 1:
                self._wait_s = self._last_wait_s
            try:
                self._do(step, before)
                self._settle(step)
            except CutShortError:
                self.waits["cut short: elections"] += 1
                return number
            except DifferenceError as error:
                story = "; ".join(f"{s.operation} -> {s.answer or 'ok'}" for s in script.steps[: number + 1])
                raise DifferenceError(f"{error}\n    after: {script.size} voters; {story}") from None
        return len(script.steps)

    def close(self) -> None:
        """End everything."""
        self._client.close()
        self._v3.close()
        self._hosts.close()

    def _do(self, step: Step, before: Step | None) -> None:
        operation = step.operation
        if isinstance(operation.what, str):
            self._happen(operation, before)
            return
        deadline = time.monotonic() + self._wait_s
        answers: list[str] = []
        while True:
            self._client.close()  # so that it asks anew who is there: nothing is sent to whom does not say
            answer, words = answer_to(self._call(operation))
            answers.append(answer)
            if answer == step.answer or _is_as_good(step, answers):
                break
            reason = _wait_for(step, before.leader if before else None, answer, words)
            if reason is None or time.monotonic() > deadline:
                raise DifferenceError(f"{operation}: expected {step.answer}, etcd says {answer}: {words}")
            self.waits[reason] += 1
            if reason == ELECTION and before is not None:
                self._settle(before)
            time.sleep(0.1)
        if self._is_v2 and answer == UNKNOWN:
            time.sleep(V2_TIMEOUT_S)

    def _call(self, operation: Operation) -> Callable[[], None]:
        api: MembershipApi = self._client
        door, url = self._hosts.endpoint(self._names[operation.door]), self._hosts.peer_url(self._names[operation.host])
        member_id = self._ids.get(operation.host, MemberId(1))
        calls: dict[int | str, Callable[[], None]] = {
            ADD_LEARNER: lambda: api.add_member(door, url, as_learner=True),
            ADD_VOTER: lambda: api.add_member(door, url, as_learner=False),
            PROMOTE: lambda: api.promote_member(door, member_id),
            REMOVE: lambda: api.remove_member(door, member_id),
            MOVE_LEADERSHIP: lambda: api.move_leadership(door, member_id),
        }
        return calls[operation.what]

    def _happen(self, operation: Operation, before: Step | None) -> None:
        name, hosts = self._names[operation.host], self._hosts
        if operation.what == FORM:
            self._wait_until(self._pad, "it does not form")
        elif operation.what == START:
            is_member = before is not None and operation.host in before.members
            if is_member and operation.host not in self._have_served:
                hosts.wipe(name)  # data of another life are moved aside
            self._start(operation.host, before.members if before else frozenset())
        elif operation.what == KILL:
            hosts.kill(name)
        elif operation.what == FREEZE:
            hosts.hang(name)
        else:
            hosts.resume(name)

    def _start(self, host: int, members: frozenset[int]) -> None:
        others = [(self._names[i], self._hosts.peer_url(self._names[i])) for i in sorted(members - {host})]
        self._hosts.join(self._names[host], others)

    def _settle(self, step: Step) -> None:
        """Wait until everybody shows what they must, and tell who must lead to do so."""
        self._have_served -= set(range(COUNT)) - step.members
        self._wait_until(lambda: self._difference(step), str(step.operation))
        self._have_served |= {i for i in step.members if (view := step.views[i]) and view.is_running and view.answers}

    def _difference(self, step: Step) -> str:
        """Return what is not yet as it must be."""
        self._learn_ids(i for i, view in enumerate(step.views) if view and view.is_running)
        for host, expected in enumerate(step.views):
            if expected is None:
                continue
            shown = self._view(host)
            if shown.is_running and not expected.is_running and shown.listed is None and None in step.views:
                # It knows that it was removed, and its connection to a hung member keeps it from exiting.
                self.waits["a removed member that a hung one holds up"] += 1
                self._hosts.kill(self._names[host])
                shown = self._view(host)
            if expected.is_running and not shown.is_running and host not in self._have_served:
                # It joined when the one that it asked did not know of it yet: systemd starts it again.
                self.waits["a joiner that came too early"] += 1
                self._start(host, step.members)
            if shown.leader != expected.leader and shown.leader is not None and not _has_moved(step):
                self._lead(shown.leader, expected.leader)
            if shown != expected:
                return f"host {host}: expected {expected}, etcd shows {shown}"
            if expected.listed is not None and (heard := self._hears(host, step)) != step.heard[host]:
                return f"host {host}: expected to hear {set(step.heard[host])}, it hears {set(heard)}"
        return ""

    def _view(self, host: int) -> View:
        name = self._names[host]
        if not self._hosts.is_running(name):
            return View()
        reading = self._client.read(self._hosts.endpoint(name))
        hosts = {self._hosts.peer_url(n): i for i, n in enumerate(self._names)}
        listed, ids = reading.members, {member_id: i for i, member_id in self._ids.items()}
        return View(
            is_running=True,
            answers=reading.cluster_id is not None,
            is_learner=reading.is_learner,
            listed=None if listed is None else as_listed(listed, hosts),
            leader=None if listed is None or reading.leader_id is None else ids.get(reading.leader_id),
        )

    def _learn_ids(self, connected: Iterable[int]) -> None:
        """Ask the peer ports, which tell without a quorum too."""
        hosts = {self._hosts.peer_url(n): i for i, n in enumerate(self._names)}
        for host in connected:
            with contextlib.suppress(requests.RequestException, ValueError):
                listed = requests.get(f"{self._hosts.peer_url(self._names[host])}/members", timeout=1).json() or []
                self._ids.update((hosts[m["peerURLs"][0]], MemberId(m["id"])) for m in listed)

    def _hears(self, host: int, step: Step) -> frozenset[int]:
        """Return the members that a host is connected to, by its own metrics."""
        metrics = requests.get(f"{self._hosts.endpoint(self._names[host])}/metrics", timeout=2).text
        active = {int(peer, 16) for peer in re.findall(r'etcd_network_active_peers{.*Remote="(\w+)"} [1-9]', metrics)}
        return frozenset(i for i in step.members if self._ids.get(i) in active)

    def _lead(self, leader: int, target: int | None) -> None:
        """Have the same member lead as in the script: an election is nobody's choice."""
        if target is not None:
            door = self._hosts.endpoint(self._names[leader])
            answer_to(lambda: self._v3.move_leadership(door, self._ids[target]))

    def _pad(self) -> str:
        """Write some keys; return what went wrong."""
        put = f"{self._hosts.endpoint(self._names[0])}/v3/kv/put"
        try:
            with requests.Session() as session:
                for _ in range(PADDING):
                    session.post(put, json={"key": "cGFk", "value": ""}, timeout=2).raise_for_status()
        except requests.RequestException as error:
            return str(error)
        return ""

    def _wait_until(self, difference: Callable[[], str], what: str) -> None:
        deadline = time.monotonic() + self._wait_s
        while found := difference():
            if time.monotonic() > deadline:
                raise DifferenceError(f"{what}: {found}")
            time.sleep(0.1)


def _is_as_good(step: Step, answers: list[str]) -> bool:
    """Whether the last answer differs from the script's only in what was said; what it did is looked at anyway."""
    operation, answer = step.operation, answers[-1]
    if (answer, step.answer) == (NOT_SENT, UNKNOWN):  # of who does not answer the fake says what one says that knew it
        view = step.views[operation.door]
        return view is None or not view.answers
    if step.answer != DONE:
        return False
    if operation.what == REMOVE and operation.door == operation.host:  # it may have exited before it answered
        return answer == UNKNOWN or (answer == NOT_SENT and len(answers) > 1)
    was_lost = UNKNOWN in answers
    return was_lost and operation.what in (ADD_LEARNER, ADD_VOTER) and answer == Rejection.ALREADY_EXISTS.name


def _has_moved(step: Step) -> bool:
    return step.operation.what == MOVE_LEADERSHIP and step.answer == DONE


def _wait_for(step: Step, leader: int | None, answer: str, words: str) -> str | None:
    """Return why etcd may answer so for a time; None where it must not.

    Raises:
        CutShortError: It may answer so for good.
    """
    if answer == Rejection.NOT_IN_SYNC.name and step.answer == DONE:
        view = step.views[step.operation.host]
        if view is None or not view.is_running:
            # A leader since elected has not heard from the dead learner. Which elections etcd held is its own affair.
            raise CutShortError
        return "the learner catches up"
    if "raft proposal dropped" in words:
        return "leadership is being transferred"  # to somebody who does not take it: for an election timeout
    if answer == UNKNOWN and step.answer != UNKNOWN:
        return "no answer"
    if answer == Rejection.NOT_LEADER.name and step.operation.door == leader:
        return ELECTION
    return _FOR_A_TIME.get(answer)
