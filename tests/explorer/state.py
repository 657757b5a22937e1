"""The world as nested tuples of small integers: hashable, the same in every process, folded by symmetry.

A node is an instance together with its etcd process, its data, its entry in etcd's member list, its entry in the
record, what a lagging AWS says of it, and what each controller has in mind for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

# Node.lifecycle; UNLISTED once the group has forgotten the instance.
UNLISTED, WAITING, IN_SERVICE, LEAVING, STANDBY, RETAINED = range(6)
# Node.ec2; UNSEEN is only ever observed: EC2 does not show the instance (yet).
RUNNING, ENDING, ENDED, UNSEEN = range(4)
# Node.process; HIDDEN answers its peers and not the controller, CUT the controller and not its peers; EARLY is
# STARTING, and answers the controller all the same.
OFF, STARTING, READY, HUNG, HIDDEN, CUT, EARLY = range(7)
CONNECTED: Final = (STARTING, READY, HIDDEN, EARLY)
# Node.data; LOST is gone from a member that has run, FOREIGN is of a membership that is over.
EMPTY, OWN, FOREIGN, LOST = range(4)
# Node.member and Entry.kind; COHORT is an entry of a record whose cluster has not formed.
NOBODY, LEARNER_UNSTARTED, LEARNER, VOTER_UNSTARTED, VOTER, COHORT = range(6)
# Head.state
NO_RECORD, NEW, EXISTING, RETIRED = range(4)
# Control.call: the port call that is about to be made.
(
    NO_CALL,
    CLAIM,
    INSTALL,
    WRITE,
    WRITE_PLAIN,
    ADD_LEARNER,
    ADD_VOTER,
    PROMOTE,
    REMOVE,
    MOVE_LEADERSHIP,
    CONTINUE_LAUNCH,
    ABANDON_LAUNCH,
    CONTINUE_TERMINATION,
    MARK_UNHEALTHY,
    CONCLUDE,
    INSTALL_OUTCOME,
) = range(16)
MEMBERSHIP_CALLS: Final = frozenset({ADD_LEARNER, ADD_VOTER, PROMOTE, REMOVE})
RECORD_CALLS: Final = frozenset({CLAIM, INSTALL, CONCLUDE, INSTALL_OUTCOME, WRITE})
# Mind.mark, bits
UNMARKED, TARGET, DOOR = range(3)
# Mind.done, bits
LAUNCH_DONE, TERMINATION_DONE, ABANDONED = 1, 2, 4


class Entry(NamedTuple):
    """A node in a record. Clocks: 0 none, 1 running, 2 beyond every limit."""

    kind: int = NOBODY
    life: int = 0
    is_owner_known: int = 1
    is_overdue: int = 0
    silent: int = 0
    leaving: int = 0


class Mind(NamedTuple):
    """What a controller has done to a node in its run, and what its next call means for it."""

    done: int = 0
    mark: int = UNMARKED
    entry: Entry | tuple[()] = ()


class Seen(NamedTuple):
    """What AWS says of an instance."""

    lifecycle: int
    ec2: int
    is_healthy: int


class Listed(NamedTuple):
    """A node in a member list."""

    member: int = NOBODY
    cluster: int = 0
    life: int = 0
    leads: int = 0


class Node(NamedTuple):
    """An instance and everything on it.

    Attributes:
        cluster: The generation whose cluster ``member`` is an entry of.
        life: Tells one membership of the node from the next; 0 is the cohort's.
        is_caught_up: Its log is the leader's.
        has_file: The agent has written a file with state ``new``, and etcd has not started from it yet.
        claimed: What the last claim says of it, until that is the record.
        concluded: What the outcome of the formation says of it, until that is the record.
        lag: What a lagging AWS says of it; () while AWS does not lag.
        is_twin: It shares its address with the other twin.
        is_late: A change that is under way is about it.
        is_behind: Its etcd has not applied what was agreed on lately, and knows the member list that once was.
        known: The node in that list; () while nobody is behind.
        recalled: What an old read of the record says of it.
        stuck: What the write of the record that is under way says of it.
    """

    lifecycle: int = WAITING
    ec2: int = RUNNING
    is_healthy: int = 1
    process: int = OFF
    data: int = EMPTY
    member: int = NOBODY
    cluster: int = 0
    life: int = 0
    leads: int = 0
    is_caught_up: int = 0
    has_file: int = 0
    entry: Entry = Entry()
    claimed: Entry = Entry()
    concluded: Entry = Entry()
    lag: Seen | tuple[()] = ()
    is_twin: int = 0
    is_late: int = 0
    is_behind: int = 0
    known: Listed | tuple[()] = ()
    recalled: Entry | tuple[()] = ()
    stuck: Entry | tuple[()] = ()
    minds: tuple[Mind, ...] = (Mind(),)


class Head(NamedTuple):
    """A record without its entries; ``cluster`` is 0 until its cluster has formed."""

    generation: int = 0
    state: int = NO_RECORD
    cluster: int = 0
    is_overdue: int = 0


class Control(NamedTuple):
    """A controller: its next call, and its memory that is not about one node.

    Attributes:
        head: Of the record that it is about to write.
        is_outdated: Something that it could not know has happened since it looked.
        is_void: The record was written since it read it: what it is about to write comes too late.
    """

    call: int = NO_CALL
    head: Head | tuple[()] = ()
    transfer_failed: int = 0
    is_outdated: int = 0
    is_void: int = 0


class Budget(NamedTuple):
    """How often each thing may still happen."""

    launch: int = 2
    terminate: int = 0
    lose: int = 0
    crash: int = 0
    wipe: int = 0
    hang: int = 0
    hide: int = 0
    cut: int = 0
    time_out: int = 0
    scale: int = 0
    standby: int = 0
    lag: int = 0
    late: int = 0
    twin: int = 0
    behind: int = 0
    early: int = 0
    tear: int = 0
    recall: int = 0
    late_write: int = 0
    detach: int = 0
    delete: int = 0


class State(NamedTuple):
    """Everything.

    Attributes:
        plain: Whether the plain list is the record's.
        claim: The last claim.
        outcome: How the formation ended, until that is the record.
        lag: 0 while AWS does not lag, else 1 + the desired capacity that it says.
        is_window_over: Whether the gather window is.
        late: The membership call that is under way without its caller knowing.
        recalled: The record that an old read shows; () while every read is current.
        is_recall_void: Whether the record was written since then.
        stuck: The call that writes the record and is under way without its caller knowing, and what it writes.
        is_stuck_void: Whether the record was written since its caller read it.
        is_deleting: Whether the group is being deleted.
    """

    nodes: tuple[Node, ...]
    desired: int
    head: Head = Head()
    plain: int = 0
    claim: Head = Head()
    outcome: Head = Head()
    lag: int = 0
    is_window_over: int = 0
    controls: tuple[Control, ...] = (Control(),)
    late: int = NO_CALL
    recalled: Head | tuple[()] = ()
    is_recall_void: int = 0
    stuck: tuple[int, Head] | tuple[()] = ()
    is_stuck_void: int = 0
    is_deleting: int = 0
    budget: Budget = Budget()


class Step(NamedTuple):
    """One thing that happens.

    Attributes:
        text: For the story; ``{0}`` is the name of the node.
        problem: The safety rule that it breaks, in words; empty if none.
    """

    text: str
    node: int
    state: State
    problem: str = ""


NO_ENTRY: Final = Entry()
NOT_LISTED: Final = Listed()
NO_HEAD: Final = Head()
NO_CONTROL: Final = Control()
NO_MIND: Final = Mind()


def members_of(nodes: Sequence[Node], cluster: int) -> list[int]:
    """Return the nodes that a cluster lists."""
    return [i for i, n in enumerate(nodes) if n.member and n.cluster == cluster]


def is_acting(node: Node) -> bool:
    """Whether a voter votes and stores."""
    return node.member >= VOTER_UNSTARTED and node.process in CONNECTED and node.data == OWN and node.is_caught_up == 1


def voters_and_acting(nodes: Sequence[Node], cluster: int) -> tuple[int, int]:
    """Return how many voters a cluster has, and how many of them act."""
    voters = acting = 0
    for node in nodes:
        if node.member >= VOTER_UNSTARTED and node.cluster == cluster:
            voters += 1
            acting += is_acting(node)
    return voters, acting


def has_quorum(nodes: Sequence[Node], cluster: int) -> bool:
    """Whether a majority of a cluster's voters acts."""
    voters, acting = voters_and_acting(nodes, cluster)
    return acting > voters // 2


def can_be_led(nodes: Sequence[Node], cluster: int) -> bool:
    """Whether a majority of a cluster's voters hears one that has the log; who has not votes, and is brought there."""
    voters = [n for n in nodes if n.member >= VOTER_UNSTARTED and n.cluster == cluster]
    up = sum(n.process in CONNECTED and n.data == OWN for n in voters)
    return up > len(voters) // 2 and any(map(is_acting, voters))


def with_node(state: State, index: int, **changes: object) -> State:
    """Return a state in which one node is changed."""
    nodes = list(state.nodes)
    nodes[index] = nodes[index]._replace(**changes)  # type: ignore[arg-type]
    return state._replace(nodes=tuple(nodes))


def outdate(state: State, *, but: int = -1) -> State:
    """Note that what the controllers are about to do rests on what is no longer so."""
    if all(c.call == NO_CALL or i == but for i, c in enumerate(state.controls)):
        return state
    return state._replace(
        controls=tuple(
            c._replace(is_outdated=1) if c.call != NO_CALL and i != but else c for i, c in enumerate(state.controls)
        )
    )
