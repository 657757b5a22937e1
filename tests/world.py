"""The shipped reconciler in a world of fakes: an Auto Scaling group, hosts with agents and etcd, Parameter Store, time.

world = World(desired=3)
world.live(minutes=5)
assert world.voters() == world.in_service()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from etcd_aws_cluster.app.chores import Chore
from etcd_aws_cluster.app.reconcile import Reconciler, RunReport
from etcd_aws_cluster.core.certificates import CertificateEnds
from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import InstanceId, Result, Transition
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.record import Record, RecordedMember, RecordState
from etcd_aws_cluster.core.telemetry import Metric
from tests.fakes.etcd_hosts import Cluster
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_group import FakeGroup
from tests.fakes.fake_membership import FakeEtcd
from tests.fakes.fake_store import FakeStore

RUN_S = 60


class RecordingTelemetry:
    """Port ``Telemetry`` that remembers."""

    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.facts: list[Mapping[str, object]] = []
        self.troubles: list[str] = []
        self.counts: dict[Metric, int] = {}
        self.gauges: dict[Metric, float] = {}

    def decision(self, kind: str, reason: str, detail: str, **facts: object) -> None:
        self.decisions.append(f"{kind} {facts.get('action', '')} {reason} {detail}")
        self.facts.append(facts)

    def trouble(self, what: str, error: Exception) -> None:
        self.troubles.append(f"{what}: {error}")

    def gauge(self, name: Metric, value: float) -> None:
        self.gauges[name] = value

    def count(self, name: Metric) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


class World:
    """Everything but the code under test, and the promises that hold at each moment.

    Attributes:
        boots: Whether hosts get as far as starting their agent.
        chores: What the controller does besides, at looks at AWS.
        errands: What it does besides, at any look.
        certificates: When the controller's own end.
    """

    def __init__(self, *, desired: int = 3, version: str = "3.5.1", policy: Policy | None = None) -> None:
        self.clock = FakeClock()
        self.group = FakeGroup(self.clock, desired=desired)
        self.etcd = FakeEtcd(version=version, catches_up_at_once=True)
        self.store = FakeStore()
        self.telemetry = RecordingTelemetry()
        self.policy = policy or Policy()
        self.boots: dict[InstanceId, bool] = {}
        self.chores: Sequence[Chore] = ()
        self.errands: Sequence[Chore] = ()
        self.certificates = CertificateEnds()
        self.clock.on_advance = self.let_hosts_act

    def run(self) -> RunReport | None:
        """Run the controller once; None where AWS did not let it."""
        end = self.clock.monotonic() + RUN_S
        reconciler = Reconciler(
            members=self.etcd,
            group=self.group,
            store=self.store,
            clock=self.clock,
            policy=self.policy,
            telemetry=self.telemetry,
            chores=self.chores,
            errands=self.errands,
            certificates=lambda: self.certificates,
        )
        try:
            return reconciler.run(lambda: end - self.clock.monotonic())
        except AwsError:
            return None
        finally:
            self.check_promises()

    def live(self, *, minutes: int) -> None:
        """Let that many ticks pass."""
        for _ in range(minutes):
            self.group.advance()
            self.let_hosts_act()
            self.run()
            self.check_promises()
            self.clock.advance(timedelta(seconds=60))

    def let_hosts_act(self) -> None:
        """Have each host do what its agent and its etcd do by themselves."""
        record = self.store.record
        for instance in self.group.instances.values():
            process = self.etcd.processes.get(instance.instance_id)
            if not instance.is_up:
                if process and process.is_running:
                    self.etcd.stop(instance.instance_id)
            elif self.boots.get(instance.instance_id, True) and not (process and process.is_running):
                self._boot(instance.instance_id, record)

    def _boot(self, instance_id: InstanceId, record: Record | None) -> None:
        mine = _entry(record, instance_id)
        if record is None or mine is None or record.state is RecordState.RETIRED:
            return
        if record.state is RecordState.NEW:
            urls = {str(m.instance): m.peer_urls[0] for m in record.members}
            self.etcd.start_new(instance_id, urls, token=record.token)
        else:
            self.etcd.start(instance_id, mine.peer_urls[0])

    # What is so

    def cluster(self) -> Cluster:
        """Return the one cluster that there is."""
        (cluster,) = self.etcd.clusters
        return cluster

    def voters(self) -> set[str]:
        """Return the names of the members that vote."""
        return {v.name for v in self.cluster().voters}

    def in_service(self) -> set[str]:
        """Return the instances in service."""
        return set(self.group.in_service())

    def is_as_desired(self) -> bool:
        """Whether the desired number of voters is there, and all of them are in service (INV-8)."""
        return len(self.in_service()) == self.group.desired and self.voters() == self.in_service()

    # What always holds

    def check_promises(self) -> None:
        """Assert what must hold after every run, whatever happened in it."""
        generations = len(self.store.claims)
        assert len(self.etcd.clusters) <= max(generations, 1), "INV-1: more clusters than generations"
        for cluster in self.etcd.clusters:
            assert sum(m.is_learner for m in cluster.members.values()) <= 1, "INV-3"
            assert cluster.voters, "INV-4"
        for instance_id, transition, result in self.group.completed:
            if transition is Transition.TERMINATING and result is Result.CONTINUE:
                self._check_released(instance_id)

    def _check_released(self, instance_id: InstanceId) -> None:
        record = self.store.record
        if record is None or record.state is not RecordState.EXISTING:
            return
        clusters = (c for c in self.etcd.clusters if c.cluster_id == record.cluster_id)
        listed = {m.member_id: m for c in clusters for m in c.members.values()}
        names = {m.name for m in listed.values()} | {m.instance for m in record.members if m.member_id in listed}
        assert instance_id not in names, f"INV-5: {instance_id} was let go as a member"


def _entry(record: Record | None, instance_id: InstanceId) -> RecordedMember | None:
    return next((m for m in record.members if m.instance == instance_id), None) if record else None
