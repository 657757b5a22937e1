"""What the alarms and the dashboard are told of a look: measured at the end of each run, from its last view.

A value that is not known is not in the answer; nothing stands in for it. docs/formats.md lists the metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.actions import Decision, Reason, Refuse
from ..core.certificates import CertificateEnds
from ..core.model import LAUNCHING, Lifecycle, Reading
from ..core.quorum import majority
from ..core.record import Record, RecordState
from ..core.telemetry import Metric
from ..core.view import Membership, View, read_membership

DEFAULT_QUOTA_BYTES = 2 * 1024**3
"""etcd's own: https://etcd.io/docs/v3.5/dev-guide/limit/"""

_FEWEST_THAT_CAN_SPARE_ONE = 3

NO_CERTIFICATES = CertificateEnds()

Measures = Mapping[Metric, float]


def measure(
    view: View,
    decision: Decision,
    *,
    quota_bytes: int,
    certificates: CertificateEnds = NO_CERTIFICATES,
    waited_s: float = 0.0,
) -> Measures:
    """Return every value that is known.

    Args:
        view: What was seen last.
        decision: What was made of it.
        quota_bytes: Of etcd's database, for members that do not tell theirs.
        certificates: What the controller itself has.
        waited_s: The longest wait that an earlier look of the run saw: who is given up is gone from the last one.
    """
    record = view.stored.record
    answers = tuple(r for r in view.answering() if record and r.cluster_id == record.cluster_id)
    membership = read_membership(view, record.cluster_id) if record and record.cluster_id is not None else None
    return {
        Metric.DESIRED: view.group.desired,
        Metric.QUORUM_LOST: decision.reason is Reason.QUORUM_LOST,
        Metric.REFUSED: isinstance(decision, Refuse),
        Metric.JOIN_WAIT: max(waited_s, longest_wait(view)),
        **_difference(view, membership),
        **(_quorum(view, record, membership, answers) if record and record.state is RecordState.EXISTING else {}),
        **_databases(answers, quota_bytes),
        **_alarms(answers),
        **_certificates(view, certificates),
    }


def longest_wait(view: View) -> float:
    """Return how long (s) the oldest newcomer has waited to be let in: an instance that launches, or a learner."""
    launching = [i for i in view.group.instances if i.lifecycle in LAUNCHING and not i.ec2_state.is_ending]
    here = {i.instance_id for i in launching}
    recorded = view.stored.record.members if view.stored.record else ()
    since = [i.launched_at for i in launching]
    since += [m.since for m in recorded if m.is_learner and m.instance not in here]
    # An instance may seem to be launched after now: its clock is EC2's.
    return max((view.observed_at - moment for moment in since if moment < view.observed_at), default=0.0)


def _difference(view: View, membership: Membership | None) -> Measures:
    """Return how many voters in service are missing or too many, plus how many voters are not in service.

    Without a proven list that is known only where there is no cluster: none was formed yet, or the last one ended.
    """
    record, group = view.stored.record, view.group
    if membership is None:
        is_unknown = view.stored.problem or (record and record.state is RecordState.EXISTING)
        return {} if is_unknown else {Metric.MEMBER_DIFFERENCE: group.desired}
    instances = [group.find(membership.owners[m.member_id]) for m in membership.voters]
    in_service = sum(i is not None and i.lifecycle is Lifecycle.IN_SERVICE for i in instances)
    return {Metric.MEMBER_DIFFERENCE: abs(group.desired - in_service) + len(instances) - in_service}


def _quorum(view: View, record: Record, membership: Membership | None, answers: Iterable[Reading]) -> Measures:
    """Return how far a formed cluster is from losing its quorum; without one nobody serves.

    A cluster that could not spare a voter if all of them were well, of one or two, is at risk only if more were wanted.
    """
    measures: dict[Metric, float] = {Metric.LEADER_KNOWN: any(r.leader_id is not None for r in answers)}
    if membership:
        voters, serving = len(membership.voters), len(membership.serving)
        measures[Metric.LEARNERS] = len(membership.learners)
    else:
        lists = {frozenset(r.members) for r in answers if r.members is not None}
        if len(lists) > 1:
            return measures  # read while they changed: it is not known how many there are
        listed = next(iter(lists), frozenset()) or record.members
        voters, serving = sum(not m.is_learner for m in listed), sum(r.is_linearizable for r in answers)
    margin = serving - majority(voters)
    could_be_better = serving < voters or view.group.desired >= _FEWEST_THAT_CAN_SPARE_ONE
    return measures | {
        Metric.VOTERS: voters,
        Metric.VOTERS_RESPONDING: serving,
        Metric.MAJORITY_MARGIN: margin,
        Metric.QUORUM_AT_RISK: margin <= 0 and could_be_better,
    }


def _databases(answers: Iterable[Reading], quota_bytes: int) -> Measures:
    """Return size and use (percent of the quota) of the largest database among those that were told."""
    sizes = [(r.database_bytes, r.quota_bytes or quota_bytes) for r in answers if r.database_bytes is not None]
    if not sizes:
        return {}
    return {
        Metric.DATABASE_SIZE: max(size for size, _ in sizes),
        Metric.DATABASE_USE: max(100 * size / quota for size, quota in sizes),
    }


def _alarms(answers: Iterable[Reading]) -> Measures:
    """Return how many members have raised each alarm; one member that tells is enough, for all know of all alarms."""
    told = [r.alarms for r in answers if r.alarms is not None]
    if not told:
        return {}
    kinds = [alarm.kind for alarm in frozenset().union(*told)]
    return {Metric.NO_SPACE: kinds.count("NOSPACE"), Metric.CORRUPT: kinds.count("CORRUPT")}


def _certificates(view: View, own: CertificateEnds) -> Measures:
    """Return the seconds until the first certificate ends, and the first CA; negative where it has."""
    ends = {
        Metric.CERTIFICATE_LEFT: [*(r.certificate_ends_at for r in view.readings), own.given],
        Metric.CA_LEFT: [own.cas],
    }
    known = {metric: [end for end in those if end is not None] for metric, those in ends.items()}
    return {metric: min(those) - view.observed_at for metric, those in known.items() if those}
