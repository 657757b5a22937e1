"""The faults, as values: what is done, to whom, when, for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of faults, by the name that reports call them."""

    ETCD_KILLED = "etcd killed"
    TWO_ETCDS_KILLED = "two etcds killed"
    ETCD_FROZEN = "etcd frozen"
    TWO_ETCDS_FROZEN = "two etcds frozen"
    MEMBER_ISOLATED = "member isolated"
    LINK_CUT = "one-way link cut"
    NETWORK_SPLIT = "network split"
    DISK_FULL = "disk full"
    HOST_LOST = "host lost"
    TWO_HOSTS_LOST = "two hosts lost"
    HOST_NEVER_STARTS = "host never starts etcd"
    CONTROLLER_KILLED = "controller killed"
    AWS_REFUSES = "AWS refuses"
    AWS_DELAYS = "AWS delays"
    AWS_REPLY_LOST = "AWS reply lost"
    EVENTS_LOST = "events lost"
    EVENTS_DOUBLED = "events doubled"
    CLOCK_STEPPED = "clock stepped"
    REFRESHED = "instance refresh"
    SCALED = "scaled"
    TERMINATED = "instance terminated"
    MAJORITY_LOST = "majority lost"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a schedule.

    Attributes:
        at_s: when, in seconds of the fault phase.
        lasts_s: after how long it is undone; 0: at once over, or undone with all others at the end.
        ranks: whom, as places in the launch order of the instances that are there then.
        count: how many calls, events, hosts or instances.
        seconds: by how much a clock steps, or a call is delayed.
        what: an AWS action, or what EC2 says of a lost host.
        code: the error code of an AWS call.
        after: whether the AWS call takes effect first.
    """

    kind: Kind
    at_s: float
    lasts_s: float = 0.0
    ranks: tuple[int, ...] = ()
    count: int = 0
    seconds: float = 0.0
    what: str = ""
    code: str = ""
    after: bool = False

    def __str__(self) -> str:
        details = [
            f"#{','.join(map(str, self.ranks))}" if self.ranks else "",
            self.what,
            self.code,
            f"x{self.count}" if self.count else "",
            f"{self.seconds:+g} s" if self.seconds else "",
            "after its effect" if self.after else "",
            f"for {self.lasts_s:g} s" if self.lasts_s else "",
        ]
        return " ".join([f"{self.at_s:g}:", self.kind.value, *filter(None, details)])
