"""Which faults a seed means. Pure: the same seed always means the same schedule.

What etcd promises bounds what may be done (docs/torture.md): acknowledged writes live as long as a majority of the
voters' disks does. :func:`is_survivable` keeps every schedule but the deliberate "majority lost" within that.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.torture.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PHASE_S: Final = 13.0
GRACE_S: Final = 5  # etcd:unresponsive_grace_s of the lab: who is silent for longer is replaced
_SHORT_S: Final = 3.0  # silent for so long is well within the grace period
_TRIES: Final = 30
_MAJORITY_LOST_PART: Final = 0.05
_FROM_FORMATION_PART: Final = 0.3
_SIZE_5_PART: Final = 0.33
_EARLY_PART: Final = 0.5  # of the faults of a schedule that begins with the formation
_FORMS_S: Final = 4.0

# The actions that the controller calls, and the one of the agent.
_CONTROLLER_ACTIONS: Final = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "autoscaling:SetInstanceHealth",
    "ec2:DescribeInstances",
    "ssm:GetParameters",
    "ssm:PutParameter",
)
_AGENT_ACTIONS: Final = ("ssm:GetParameter",)
_WRITES: Final = (
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "autoscaling:SetInstanceHealth",
    "ssm:PutParameter",
)
# Each at most once in a schedule: two of them would be one state of the lab, or one order of an operator.
_ONCE: Final = (
    {Kind.CLOCK_STEPPED},
    {Kind.EVENTS_LOST, Kind.EVENTS_DOUBLED},
    {Kind.SCALED},
    {Kind.REFRESHED},
    {Kind.HOST_NEVER_STARTS},
)
_SILENCE: Final = {
    Kind.ETCD_KILLED: 1,
    Kind.TWO_ETCDS_KILLED: 2,
    Kind.ETCD_FROZEN: 1,
    Kind.TWO_ETCDS_FROZEN: 2,
    Kind.MEMBER_ISOLATED: 1,
    Kind.LINK_CUT: 1,
    Kind.NETWORK_SPLIT: 2,
    Kind.DISK_FULL: 1,
}
_LAUNCHERS: Final = (Kind.HOST_LOST, Kind.REFRESHED, Kind.TERMINATED)
_VICTIMS: Final = {
    **_SILENCE,
    Kind.LINK_CUT: 2,
    Kind.HOST_LOST: 1,
    Kind.TWO_HOSTS_LOST: 2,
    Kind.TERMINATED: 1,
}
_LASTING: Final = (
    Kind.ETCD_FROZEN,
    Kind.TWO_ETCDS_FROZEN,
    Kind.MEMBER_ISOLATED,
    Kind.LINK_CUT,
    Kind.NETWORK_SPLIT,
)
_EC2_SAYS: Final = ("terminated", "impaired", "running")
_AWS_COUNTS: Final = (1, 2, 3, 6)  # two in a row are what botocore tries before it gives up
_SIZES: Final = 3 + 5
_SMALL_STEP_S: Final = 120.0  # AWS refuses signatures that are more than five minutes off
# Without effect on who is a member: what may come before the majority is lost.
_HARMLESS: Final = (Kind.AWS_REFUSES, Kind.AWS_DELAYS, Kind.AWS_REPLY_LOST, Kind.CONTROLLER_KILLED, Kind.EVENTS_DOUBLED)
# Two hosts at once only where a quorum survives; there it is tried often, since little else fits beside it.
_DRAWN_AT_3: Final = tuple(kind for kind in Kind if kind not in {Kind.MAJORITY_LOST, Kind.TWO_HOSTS_LOST})
_DRAWN_AT_5: Final = (*_DRAWN_AT_3, *[Kind.TWO_HOSTS_LOST] * 4)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What one seed does.

    Attributes:
        size: desired instances at its begin.
        from_formation: the fault phase begins with the launch of the instances, else when they serve.
        faults: by their time.
    """

    seed: int
    size: int
    from_formation: bool
    faults: tuple[Fault, ...]

    @classmethod
    def of(cls, seed: int) -> Schedule:
        """The schedule of a seed."""
        draw = random.Random(seed)  # noqa: S311  # no secret
        size = 5 if draw.random() < _SIZE_5_PART else 3
        if draw.random() < _MAJORITY_LOST_PART:
            size = draw.choice([3, 5])
            return cls(seed=seed, size=size, from_formation=False, faults=_majority_lost(draw, size))
        from_formation = draw.random() < _FROM_FORMATION_PART
        kinds = _DRAWN_AT_5 if size == 5 else _DRAWN_AT_3  # noqa: PLR2004
        chosen: list[Fault] = []
        for _ in range(draw.randint(2, 6)):
            for _ in range(_TRIES):
                more = _draw(draw, size, kinds, from_formation=from_formation)
                if _fits(chosen, more) and is_survivable(size, [*chosen, *more], from_formation=from_formation):
                    chosen += more
                    break
        return cls(seed=seed, size=size, from_formation=from_formation, faults=_in_order(chosen))

    @property
    def loses_majority(self) -> bool:
        """Whether the majority of the disks is destroyed for good."""
        return any(fault.kind is Kind.MAJORITY_LOST for fault in self.faults)

    @property
    def desired(self) -> int:
        """Desired instances at its end."""
        return next((fault.count for fault in self.faults if fault.kind is Kind.SCALED), self.size)

    @property
    def ahead_s(self) -> float:
        """How far ahead a moment may lie that the controller wrote down before its clock went back."""
        return max((fault.seconds for fault in self.faults if fault.seconds == _SMALL_STEP_S), default=0.0)

    def __str__(self) -> str:
        start = ", from its formation" if self.from_formation else ""
        return f"seed {self.seed}: size {self.size}{start}\n" + "".join(f"  {fault}\n" for fault in self.faults)


def is_survivable(size: int, faults: Sequence[Fault], *, from_formation: bool) -> bool:
    """Whether a majority of the voters' disks is sure to survive, whatever a correct controller does meanwhile.

    A *destroyed* host takes its disk with it. A voter that is *silent* beyond the grace period is removed and replaced,
    in this order, so that for a while there is one voter less; that is safe by itself, but if a host is destroyed
    just then it counts. So: all hosts destroyed, and the voters that may be missing before the last of these, are
    together no more than a minority of the smallest size that the group has.
    """
    last = max((fault.at_s for fault in faults if _destroyed(fault, from_formation=from_formation)), default=None)
    if last is None:
        return True
    smallest = min([size, *(fault.count for fault in faults if fault.kind is Kind.SCALED)])
    lost = sum(_destroyed(fault, from_formation=from_formation) for fault in faults)
    before = [fault for fault in faults if fault.at_s <= last]
    lost += sum(_missing(fault, before, faults) for fault in before)
    return lost <= (smallest - 1) // 2


def _destroyed(fault: Fault, *, from_formation: bool) -> int:
    match fault.kind:
        case Kind.HOST_LOST | Kind.TWO_HOSTS_LOST:
            return len(fault.ranks)
        case Kind.HOST_NEVER_STARTS if from_formation:
            return fault.count  # a voter of the first list that will never vote
    return 0


def _missing(fault: Fault, before: Sequence[Fault], faults: Sequence[Fault]) -> int:
    """How many voters a fault may have removed before they are replaced."""
    # A stepped clock makes every wait of the controller end at once.
    hurried = any(other.kind is Kind.CLOCK_STEPPED for other in faults)
    if fault.kind in _SILENCE:
        # Several short silences may be one long silence of one voter.
        alone = sum(other.kind in _SILENCE for other in before) == 1
        short = fault.kind is not Kind.DISK_FULL and fault.lasts_s <= _SHORT_S
        return 0 if short and alone and not hurried else _SILENCE[fault.kind]
    if fault.kind is Kind.TERMINATED:
        unreplaced = any(other.kind is Kind.HOST_NEVER_STARTS for other in faults)
        return 1 if hurried or unreplaced else 0
    return 0


def _fits(chosen: Sequence[Fault], more: Sequence[Fault]) -> bool:
    kinds = [fault.kind for fault in [*chosen, *more]]
    return all(sum(kind in once for kind in kinds) <= 1 for once in _ONCE)


def _in_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (fault.at_s, fault.kind)))


def _majority_lost(draw: random.Random, size: int) -> tuple[Fault, ...]:
    before = [fault for _ in range(draw.randint(1, 2)) for fault in _draw(draw, size, _HARMLESS, until_s=4.0)]
    before = [fault for i, fault in enumerate(before) if _fits(before[:i], [fault])]
    ranks = tuple(sorted(draw.sample(range(size), size // 2 + 1)))
    lost = Fault(kind=Kind.MAJORITY_LOST, at_s=5.0, ranks=ranks, what=draw.choice(_EC2_SAYS))
    return _in_order([*before, lost])


def _draw(
    draw: random.Random, size: int, kinds: Sequence[Kind], *, from_formation: bool = False, until_s: float = PHASE_S - 2
) -> list[Fault]:
    """One fault; a host that never starts comes with something that launches it, or is of the first ones."""
    kind = draw.choice(kinds)
    if from_formation and draw.random() < _EARLY_PART:
        at_s = 0.0 if kind is Kind.HOST_NEVER_STARTS else round(draw.uniform(0.0, _FORMS_S), 1)
    else:
        at_s = round(draw.uniform(0.1, until_s), 1)
    first = _one(draw, kind, at_s, size)
    if kind is Kind.HOST_NEVER_STARTS and at_s > 0:
        return [first, _one(draw, draw.choice(_LAUNCHERS), round(at_s + 0.2, 1), size)]
    return [first]


def _one(draw: random.Random, kind: Kind, at_s: float, size: int) -> Fault:
    victims = size // 2 if kind is Kind.NETWORK_SPLIT else _VICTIMS.get(kind, 0)
    ranks = tuple(draw.sample(range(size), victims))
    # Either well within the grace period, or well beyond it.
    lasts_s = round(draw.choice([draw.uniform(0.5, _SHORT_S), draw.uniform(GRACE_S + 2, GRACE_S + 5)]), 1)
    details: Mapping[Kind, Callable[[], dict[str, Any]]] = {
        **dict.fromkeys(_LASTING, lambda: {"lasts_s": lasts_s}),
        Kind.DISK_FULL: lambda: {"lasts_s": draw.choice([0.0, lasts_s])},
        Kind.HOST_LOST: lambda: {"what": draw.choice(_EC2_SAYS)},
        Kind.TWO_HOSTS_LOST: lambda: {"what": draw.choice(_EC2_SAYS)},
        Kind.HOST_NEVER_STARTS: lambda: {"count": 1},
        Kind.CONTROLLER_KILLED: lambda: {"count": draw.randint(0, 6), "after": draw.choice([False, True])},
        Kind.AWS_REFUSES: lambda: {
            "what": draw.choice(_CONTROLLER_ACTIONS + _AGENT_ACTIONS),
            "code": draw.choice(["ThrottlingException", "InternalFailure"]),
            "count": draw.choice(_AWS_COUNTS),
        },
        Kind.AWS_DELAYS: lambda: {
            "what": draw.choice(_CONTROLLER_ACTIONS + _AGENT_ACTIONS),
            "seconds": round(draw.uniform(0.5, 7.0), 1),
            "count": draw.randint(1, 3),
        },
        Kind.AWS_REPLY_LOST: lambda: {
            "what": draw.choice(_WRITES),
            "code": "InternalFailure",
            "count": draw.choice(_AWS_COUNTS),
            "after": True,
        },
        Kind.EVENTS_LOST: lambda: {"count": draw.randint(1, 4)},
        Kind.EVENTS_DOUBLED: lambda: {"count": draw.randint(1, 4)},
        Kind.CLOCK_STEPPED: lambda: {
            "seconds": draw.choice([-3600.0, -_SMALL_STEP_S, _SMALL_STEP_S, 3600.0]),
            "lasts_s": round(draw.uniform(2.0, 10.0), 1),
        },
        Kind.SCALED: lambda: {"count": _SIZES - size},
    }
    return Fault(kind=kind, at_s=at_s, ranks=ranks, **details.get(kind, dict)())
