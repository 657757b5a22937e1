"""What the clients saw, and how the cluster was in the end: what the checker judges. Pure values."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.kv import Header, Stored


@dataclass(frozen=True)
class Write:
    """An acknowledged write. Times are monotonic seconds.

    Attributes:
        attempts: how often it was tried; each failed try may have taken effect, even later than the acknowledged one.
        began: when the acknowledged try began.
        ended: when it was acknowledged.
    """

    key: str
    value: str
    header: Header
    attempts: int
    began: float
    ended: float


@dataclass(frozen=True)
class Read:
    """A linearizable read of a key whose write was acknowledged before; ``found`` is None if there was none."""

    key: str
    header: Header
    found: Stored | None
    began: float


@dataclass(frozen=True)
class Seen:
    """A member's status at one moment."""

    at: float
    url: str
    cluster_id: int
    member_id: int
    leader: int
    term: int


@dataclass
class History:
    """What the clients saw."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    failures: int = 0

    def longest_gap_s(self) -> float:
        """The longest time without an acknowledgement, between the first and the last."""
        ended = sorted(write.ended for write in self.writes)
        return max((after - before for before, after in itertools.pairwise(ended)), default=0.0)


@dataclass(frozen=True, kw_only=True)
class FinalState:
    """How things were in the end, when everything was settled.

    Attributes:
        desired: how many voters there should be.
        instances: lifecycle state by instance id.
        members: etcd's member list, as etcdctl tells it.
        record: the controller's record.
        hashes: hash of the keys at one revision, by client URL.
        kept: all that the writers wrote, read linearizable.
    """

    desired: int
    instances: Mapping[str, str]
    members: list[dict[str, Any]]
    record: dict[str, Any] | None
    hashes: Mapping[str, int]
    kept: Mapping[str, Stored]
