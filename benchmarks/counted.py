"""Counts what the shipped controller asks for: settled minutes and instance refreshes, in time that costs nothing.

Handler, reconciler, planner, chores, adapters and boto3 are the shipped ones; AWS, the hosts and etcd are the fakes
that the contract tests hold to the real ones. A host does what the agent does, with the agent's own pauses.
"""

from __future__ import annotations

import heapq
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.aws_in_memory import HOOKS, AwsInMemory, Call
from benchmarks.counts import CountedMembers, Counts, function_log
from etcd_aws_agent import backoff
from etcd_aws_cluster import observability
from etcd_aws_cluster.app.names import KeepNames
from etcd_aws_cluster.app.reconcile import Reconciler
from etcd_aws_cluster.aws.autoscaling import AutoScalingInstanceGroup
from etcd_aws_cluster.aws.certificate_parameters import SsmCertificateTray
from etcd_aws_cluster.aws.dead_letters import DeadLetterQueue
from etcd_aws_cluster.aws.hosted_zone import HostedZone
from etcd_aws_cluster.aws.parameter_store import SsmRecordStore
from etcd_aws_cluster.aws.secrets import SecretsManagerVault
from etcd_aws_cluster.core.certificates import CertificateEnds
from etcd_aws_cluster.core.dns import SERVICES, Domain
from etcd_aws_cluster.core.model import InstanceId
from etcd_aws_cluster.handler import respond
from etcd_aws_cluster.pki.authorities import Authorities
from etcd_aws_cluster.pki.desk import CertificateDesk
from etcd_aws_cluster.wiring import Controller
from infra.names import METRICS_NAMESPACE
from infra.settings import Settings
from tests.pki import csr
from tests.world import World

BOOT_S: Final = 45.0
"""From the launch to the agent's first look. Assumed: etcd is fetched and unpacked meanwhile."""
REFRESH_PAUSE_S: Final = 10.0
"""From InService to the next step of an instance refresh. Assumed; AWS tells no figure."""
LARGEST_BATCH: Final = 10
_CA_LEFT_S: Final = 300_000_000.0
_PREFIX: Final = "/etcd-aws-cluster/etcd"
_ROLE: Final = "etcd-hosts"
_EVENTS: Final = Path(__file__).parents[1] / "tests" / "events"
_DEFAULTS: Final = Settings.from_context({})
TICK_S: Final = 60.0 * _DEFAULTS.timing.tick_interval_min


class CountedWorld(World):
    """A cluster of so many members, formed and in service.

    Args:
        size: Desired members.
        names: Whether it has DNS names.
        boot_s: From a launch to the agent's first look.

    Attributes:
        formation: From the launch of the first members until all are in service.
    """

    def __init__(self, *, size: int, names: bool = False, boot_s: float = BOOT_S) -> None:
        super().__init__(desired=size)
        self.counts = Counts()
        self._boot_s = boot_s
        self.aws = AwsInMemory(self.clock, self.group, self.store.parameters, prefix=_PREFIX)
        self.aws.on_request = lambda: self._messages.append(_event("parameter_change"))
        self._messages: list[str] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._request = csr(ec.generate_private_key(ec.SECP256R1()))
        self._known: set[InstanceId] = set()
        self._is_refreshing = False
        self._out = io.StringIO()
        self._metrics = Metrics(namespace=METRICS_NAMESPACE, service="")
        self._controller = self._wire(names=names)
        self.clock.on_advance = self._go_on
        with self._counting() as self.formation:
            self._tick()
            self._until(self.is_as_desired)
        self._pass(10 * TICK_S)

    # What is counted

    def settle(self, minutes: int) -> Counts:
        """Let time pass in which nothing happens."""
        with self._counting() as counts:
            self._pass(60.0 * minutes)
        return counts

    def refresh(self) -> Counts:
        """Replace every instance, a new one first, and return once all is settled."""
        old, self._is_refreshing = self.group.in_service(), True
        with self._counting() as counts:
            for instance_id in old:
                self.group.launch()
                self._notice_launches()
                self._until(lambda: len(self.in_service()) == self.group.desired + 1)
                self._pass(REFRESH_PAUSE_S)
                self.group.terminate(instance_id)
                self._messages.append(_event("terminate"))
                self._until(self.is_as_desired)
                self.group.advance()
                self._pass(REFRESH_PAUSE_S)
        self._is_refreshing = False
        return counts

    @contextmanager
    def _counting(self) -> Iterator[Counts]:
        began, calls, of_hosts = self.clock.monotonic(), len(self.aws.calls), len(self.aws.of_hosts)
        counts = self.counts = Counts()
        yield counts
        counts.seconds = self.clock.monotonic() - began
        function, hosts = self.aws.calls[calls:], self.aws.of_hosts[of_hosts:]
        counts.timeline = sorted((Call(c.at - began, c.name) for c in (*function, *hosts)), key=lambda c: c.at)
        counts.aws, counts.hosts = (Counter(c.name for c in some) for some in (function, hosts))

    # Time, messages and the function

    def _until(self, is_so: Callable[[], bool]) -> None:
        limit = self.clock.monotonic() + 3600
        while not is_so():
            if self.clock.monotonic() > limit:
                raise AssertionError(f"it did not come to that within an hour: {self.telemetry.decisions[-5:]}")
            self._next(limit)

    def _pass(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self._next(until)

    def _next(self, until: float) -> None:
        """Have the function take what waits, or let time pass until something happens."""
        if self._messages:
            self._run_function()
            return
        at = min(self._due[0][0], until) if self._due else until
        self.clock.advance(timedelta(seconds=max(at - self.clock.monotonic(), 0.001)))

    def _at(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.clock.monotonic() + seconds, next(self._order), happens))

    def _go_on(self) -> None:
        """What happens as time passes, during a run too."""
        while self._due and self._due[0][0] <= self.clock.monotonic():
            heapq.heappop(self._due)[2]()
        self.let_hosts_act()

    def _tick(self) -> None:
        self._messages.append(_event("scheduled"))
        if not self._is_refreshing:  # the fake group would scale in at once
            self.group.advance()
            self._notice_launches()
        self._at(TICK_S, self._tick)

    def _run_function(self) -> None:
        batch, self._messages = self._messages[:LARGEST_BATCH], self._messages[LARGEST_BATCH:]
        began = self.clock.monotonic()
        end = began + _DEFAULTS.controller.function_timeout_s
        self._out.seek(0)
        self._out.truncate()
        event = {"Records": [{"messageId": f"{n:036}", "body": body, "attributes": {}} for n, body in enumerate(batch)]}
        with function_log(self._out):
            respond(SQSEvent(event), self._controller, lambda: end - self.clock.monotonic())
        self.check_promises()
        metrics = self._metrics
        published = json.dumps(metrics.serialize_metric_set(), separators=(",", ":"))
        self.counts.metrics |= frozenset(metrics.metric_set)
        metrics.clear_metrics()
        self.counts.log_bytes += len(self._out.getvalue().encode()) + len(published) + 1
        self.counts.messages += len(batch)
        self.counts.runs += 1
        self.counts.busy_s += self.clock.monotonic() - began

    # Hosts, which do what the agent does

    def _notice_launches(self) -> None:
        for instance_id in self.group.instances.keys() - self._known:
            self._known.add(instance_id)
            self.boots[instance_id] = False
            self._messages.append(_event("launch"))
            self._at(self._boot_s, lambda i=instance_id: self._ask(i))  # type: ignore[misc]

    def _ask(self, instance_id: InstanceId) -> None:
        writer = f"arn:aws:sts::123456789012:assumed-role/{_ROLE}/{instance_id}"
        self.aws.host_asks(instance_id, self._request, writer=writer)
        self._await_certificate(instance_id, self.clock.monotonic())

    def _await_certificate(self, instance_id: InstanceId, since: float) -> None:
        if self.aws.host_reads(f"certificates/{instance_id}") is None:
            pause = backoff.between_looks_for_certificate(self.clock.monotonic() - since, 0.5)
            self._at(pause, lambda: self._await_certificate(instance_id, since))
            return
        self.aws.host_reads("ca-bundle")
        self._await_record(instance_id, self.clock.monotonic())

    def _await_record(self, instance_id: InstanceId, since: float) -> None:
        if f'"{instance_id}"' in (self.aws.host_reads("record") or ""):
            self.boots[instance_id] = True
            return
        pause = backoff.between_looks_of_member(self.clock.monotonic() - since, 0.5)
        self._at(pause, lambda: self._await_record(instance_id, since))

    # The shipped parts

    def _wire(self, *, names: bool) -> Controller:
        group = AutoScalingInstanceGroup(
            autoscaling=self.aws.client("autoscaling"), ec2=self.aws.client("ec2"), name="etcd", hook_names=HOOKS
        )
        self._metrics.clear_metrics()
        telemetry = observability.Telemetry(logger=observability.logger, metrics=self._metrics, cluster="etcd")
        desk = self._desk(group, telemetry)
        reconciler = Reconciler(
            members=CountedMembers(self.etcd, self.clock, lambda: self.counts),
            group=group,
            store=SsmRecordStore(ssm=self.aws.client("ssm"), prefix=_PREFIX),
            clock=self.clock,
            policy=self.policy,
            telemetry=telemetry,
            chores=[self._names()] if names else [],
            errands=[desk],
            certificates=lambda: CertificateEnds(cas=self.clock.now() + _CA_LEFT_S),
        )
        return Controller(
            cluster_name="etcd",
            run=reconciler.run,
            dead_letters=DeadLetterQueue(client=_never, url="https://none", message_group="etcd"),
            telemetry=telemetry,
            announce=desk.announce,
        )

    def _desk(self, group: AutoScalingInstanceGroup, telemetry: observability.Telemetry) -> CertificateDesk:
        secrets_manager = self.aws.client("secretsmanager")
        return CertificateDesk(
            authorities=Authorities(
                vault=SecretsManagerVault(client=lambda: secrets_manager, secret="ca"),  # noqa: S106 - its name
                cluster="etcd",
                generations=(1,),
                now=self.clock.now,
            ),
            tray=SsmCertificateTray(ssm=self.aws.client("ssm"), prefix=_PREFIX),
            ec2=group,
            clock=self.clock,
            telemetry=telemetry,
            host_role=_ROLE,
            life=timedelta(hours=_DEFAULTS.tls.certificate_hours),
        )

    def _names(self) -> KeepNames:
        domain = Domain(name="etcd.example.internal", ttl_s=30, schemes=tuple(SERVICES), client_port=2379)
        return KeepNames(
            zone=HostedZone(client=self.aws.client("route53"), zone_id="Z1"), domain=domain, clock=self.clock
        )


def _never() -> Any:  # noqa: ANN401 - a client
    raise AssertionError("a message was put aside")


def _event(name: str) -> str:
    return (_EVENTS / f"{name}.json").read_text(encoding="utf-8")
