"""What is counted of a stretch of time, and the parts that count: etcd's members, and the function's log."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.aws_in_memory import Call
from etcd_aws_cluster import observability
from etcd_aws_cluster.core.model import MemberId, Reading
from infra.settings import Settings
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_membership import FakeEtcd

# What the Lambda context adds to each line of the log, as inject_lambda_context does.
_CONTEXT: Final = {
    "cold_start": False,
    "function_name": "etcd-aws-cluster-etcd-ControllerFunction8A2B1C3D-0123456789AB",
    "function_memory_size": str(Settings.from_context({}).controller.function_memory_mib),
    "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:"
    "etcd-aws-cluster-etcd-ControllerFunction8A2B1C3D-0123456789AB",
    "function_request_id": "00000000-0000-0000-0000-000000000000",
    "xray_trace_id": "1-00000000-000000000000000000000000",
}


@dataclass
class Counts:
    """What a stretch of time took.

    Attributes:
        seconds: Its length.
        runs: Of the function.
        busy_s: What the runs took of it, pauses included; calls take no time here.
        messages: That went through the queue.
        aws: Calls of the function by service and operation.
        hosts: The same of the hosts.
        etcd: Calls of the port by what was asked for.
        log_bytes: Of the function's own lines.
        metrics: Custom metrics that were published.
        timeline: All calls to AWS, the function's and the hosts', from the beginning of the stretch on.
    """

    seconds: float = 0.0
    runs: int = 0
    busy_s: float = 0.0
    messages: int = 0
    aws: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    etcd: Counter[str] = field(default_factory=Counter)
    log_bytes: int = 0
    metrics: frozenset[str] = frozenset()
    timeline: list[Call] = field(default_factory=list)


class CountedMembers:
    """The fake etcd, whose calls are counted and whose answers have all that a 3.5 with TLS tells."""

    def __init__(self, etcd: FakeEtcd, clock: FakeClock, counts: Callable[[], Counts]) -> None:
        self._etcd = etcd
        self._clock = clock
        self._counts = counts

    def read(self, endpoint: str) -> Reading:
        """Read a member."""
        self._counts().etcd["read"] += 1
        reading = self._etcd.read(endpoint)
        if reading.cluster_id is None:
            return reading
        ends_at = self._clock.now() + 100_000
        return replace(reading, database_bytes=20_480, alarms=frozenset(), certificate_ends_at=ends_at)

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add one."""
        self._counts().etcd["add"] += 1
        self._etcd.add_member(endpoint, peer_url, as_learner=as_learner)

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Promote one."""
        self._counts().etcd["promote"] += 1
        self._etcd.promote_member(endpoint, member_id)

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove one."""
        self._counts().etcd["remove"] += 1
        self._etcd.remove_member(endpoint, member_id)

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Move leadership."""
        self._counts().etcd["move leadership"] += 1
        self._etcd.move_leadership(endpoint, target)


@contextmanager
def function_log(out: io.StringIO) -> Iterator[None]:
    """Have the function's log go there, with what it tells of the run; it is one for all of this process."""
    logger, handler = observability.logger, observability.logger.registered_handler
    usual = handler.stream  # type: ignore[attr-defined]  # logging.Handler does not say
    handler.stream = out  # type: ignore[attr-defined]
    logger.append_keys(**_CONTEXT)
    try:
        yield
    finally:
        handler.stream = usual  # type: ignore[attr-defined]
        logger.remove_keys(list(_CONTEXT))
