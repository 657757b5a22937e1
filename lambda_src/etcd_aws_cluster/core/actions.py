"""What can be done, and what can be decided. Every decision carries its reason as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .model import InstanceId, MemberId, Result, Transition
from .record import Record


@dataclass(frozen=True, slots=True)
class FormCluster:
    """Claim a generation for this cohort, by atomic create (INV-1)."""

    record: Record


@dataclass(frozen=True, slots=True)
class AdoptCluster:
    """Write down a cluster that runs already, by the same atomic create."""

    record: Record


@dataclass(frozen=True, slots=True)
class ConcludeFormation:
    """End a generation's formation, by atomic create: it became a cluster, or it is over (INV-1)."""

    record: Record


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """Overwrite the record."""

    record: Record


@dataclass(frozen=True, slots=True)
class PublishInitialCluster:
    """Overwrite the plain list."""

    text: str


@dataclass(frozen=True, slots=True)
class AddMember:
    """Add the instance's member: as a learner, or as a voter where etcd has no learners."""

    instance_id: InstanceId
    peer_url: str
    as_learner: bool


@dataclass(frozen=True, slots=True)
class PromoteMember:
    """Make a learner a voter."""

    member_id: MemberId


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """Remove a member, by id."""

    member_id: MemberId


@dataclass(frozen=True, slots=True)
class MoveLeadership:
    """Have the leader hand over."""

    leader: MemberId
    target: MemberId


@dataclass(frozen=True, slots=True)
class CompleteLifecycleAction:
    """Let an instance go on, or not."""

    instance_id: InstanceId
    transition: Transition
    result: Result


@dataclass(frozen=True, slots=True)
class MarkUnhealthy:
    """Have the group replace an instance."""

    instance_id: InstanceId


MembershipChange = AddMember | PromoteMember | RemoveMember
Action = (
    FormCluster
    | AdoptCluster
    | ConcludeFormation
    | PublishRecord
    | PublishInitialCluster
    | MembershipChange
    | MoveLeadership
    | CompleteLifecycleAction
    | MarkUnhealthy
)


class Reason(StrEnum):
    """Why; one for each thing that a rule can say. docs/runbook.md explains those that need a person."""

    # acts
    WARM_POOL = "warm-pool instances are let pass"
    GROUP_GOING = "the group is being deleted or is scaled to zero"
    ADOPT = "a running cluster was found"
    COHORT_COMPLETE = "every desired instance waits"
    GATHER_WINDOW_OVER = "a majority waits and the gather window is over"
    FORMED = "a majority of the cohort serves"
    GENERATION_OVER = "its generation is over"
    FORMATION_FAILED = "the cohort did not form in time"
    PREDECESSOR_DELETED = "the record is of a deleted group"
    COVERED = "a write that came too late lies over the record"
    LIST_CHANGED = "the record differs from the member list"
    CAUGHT_UP_VOTER = "its member is a caught-up voter"
    NOT_A_MEMBER = "no member of the cluster is on it"
    INSTANCE_GONE = "its instance is gone"
    INSTANCE_LEAVING = "its instance is leaving"
    LEADER_LEAVING = "the leader's instance is leaving"
    LEARNER_SERVES = "the learner has started and serves"
    LEARNER_OVERDUE = "the learner did not become a voter in time"
    NEWCOMER = "a newcomer waits to join"
    UNRESPONSIVE = "its member has been silent beyond the grace period"
    MEMBERLESS = "it is in service without a member beyond the grace period"
    CLOCKS = "a waiting time starts or ends"
    # waits
    GATHERING = "waiting for more instances"
    FORMING = "waiting for the cohort to form"
    GENERATION_ENDING = "the last generation is not gone yet"
    LEARNER_CATCHING_UP = "waiting for the learner to start and catch up"
    MEMBER_STARTING = "waiting for the new member to start"
    HOST_NOT_UP = "waiting for the newcomer's host to show that it is up"
    REPLACEMENT_EXPECTED = "waiting for the replacement of a leaving voter"
    LISTS_DIFFER = "members answered with different lists"
    GRACE_PERIOD = "a member in service is silent"
    ONE_AT_A_TIME = "another instance is being replaced"
    VOTERS_MISSING = "waiting for instances or voters that are missing"
    # refusals
    RECORD_UNUSABLE = "the stored record cannot be used"
    FOREIGN_CLUSTER = "a member answers under another cluster id"
    HOST_UNKNOWN = "a member may be on an instance that is not known to be its"
    SILENT_IN_SERVICE = "an instance in service does not answer: data may live there"
    QUORUM_LOST = "no quorum answers"
    QUORUM_AT_RISK = "the change could cost the quorum"
    LAST_VOTER = "the last voter is never removed"
    RECORD_FULL = "the record has no room for another member"
    PEER_URL_TAKEN = "the newcomer's peer URL belongs to another member"
    # settled
    SETTLED = "nothing to do"


class Look(StrEnum):
    """When to look again. SOON: within this run. LATER: an event or the next tick will say."""

    SOON = "soon"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One action."""

    action: Action
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do until something changes.

    Attributes:
        keep_alive: Lifecycle actions whose timeout must not run out meanwhile.
    """

    reason: Reason
    detail: str = ""
    look: Look = Look.LATER
    keep_alive: tuple[tuple[InstanceId, Transition], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Something ought to be done and must not be; a person may have to look."""

    reason: Reason
    detail: str = ""
    look: Look = Look.LATER
    keep_alive: tuple[tuple[InstanceId, Transition], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The cluster is what it should be."""

    reason: Reason = Reason.SETTLED
    detail: str = ""


Decision = Act | Wait | Refuse | Settled
