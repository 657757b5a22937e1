"""Puts the controller together: the only module that knows both the application and its adapters."""

from __future__ import annotations

import functools
import os
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from botocore.config import Config

from .app.chores import Chore
from .app.names import KeepNames
from .app.reconcile import Pace, Reconciler, RunReport
from .aws.autoscaling import AutoScalingInstanceGroup
from .aws.certificate_parameters import SsmCertificateTray
from .aws.dead_letters import DeadLetterQueue
from .aws.hook_watch import HookWatch
from .aws.hosted_zone import HostedZone
from .aws.parameter_store import SsmRecordStore
from .aws.secrets import SecretReader, SecretsManagerVault
from .aws.session import new_session
from .collector import nothing_is_garbage
from .core.certificates import CertificateEnds
from .core.errors import ClusterError
from .core.model import Transition
from .core.telemetry import Metric
from .etcd.client import EtcdClient
from .etcd.login import Login, parse_user
from .observability import Telemetry, logger, metrics
from .settings import Settings

if TYPE_CHECKING:
    import boto3.session
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_ssm.client import SSMClient

# A call whose answer never comes fails after 2 x 4 s and a pause of at most 1 s, which the run's reserve is enough for.
# The run itself tries again (docs/decisions/0012-failed-calls.md).
CLIENT_CONFIG = Config(
    connect_timeout=2,  # seconds
    read_timeout=4,  # seconds
    retries={"mode": "standard", "total_max_attempts": 2},
)
# A chore's calls come before what the cluster waits for: one that hangs costs this and is not repeated for a while.
_CHORE_CONFIG = Config(
    connect_timeout=1,  # seconds
    read_timeout=2,  # seconds
    retries={"mode": "standard", "total_max_attempts": 1},
)


class SystemClock:
    """The port Clock on the real one."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def _nobody_answers() -> None:
    """Take no note of a request for a certificate: this controller issues none."""


class Controller(NamedTuple):
    """What the handler needs.

    Attributes:
        run: Looks at the cluster and does what is to be done until nothing is left, or the time (in seconds) is.
        announce: Takes note that somebody asks for a certificate, before a run.
    """

    cluster_name: str
    run: Callable[[Callable[[], float]], RunReport]
    dead_letters: DeadLetterQueue
    telemetry: Telemetry
    announce: Callable[[], None] = _nobody_answers


@functools.cache
def controller() -> Controller:
    """Return the controller of this execution environment, made at its first message.

    Raises:
        SettingError: A setting is missing or wrong.
    """
    with nothing_is_garbage():
        return build(Settings.from_environ(os.environ), new_session())


def build(settings: Settings, session: boto3.session.Session) -> Controller:
    """Put a controller together; nothing is called yet."""
    telemetry = Telemetry(
        logger=logger, metrics=metrics, cluster=settings.cluster_name, published=settings.published_metrics
    )
    cluster = reach(settings, session, telemetry)
    etcd = cluster.etcd
    reconciler = Reconciler(
        members=etcd,
        group=cluster.group,
        store=cluster.store,
        clock=SystemClock(),
        policy=settings.policy,
        telemetry=telemetry,
        pace=Pace(etcd=settings.etcd_poll_interval, aws=settings.aws_poll_interval, reserve=settings.run_reserve),
        quota_bytes=settings.etcd_quota_bytes,
        chores=[*cluster.chores, *_chores(settings, session)],
        errands=cluster.pki.errands,
        certificates=cluster.pki.ends,
    )

    def run(time_left: Callable[[], float]) -> RunReport:
        with etcd:  # between two runs the environment is frozen: no connection outlives that
            return reconciler.run(time_left)

    return Controller(
        cluster_name=settings.cluster_name,
        run=run,
        dead_letters=DeadLetterQueue(
            client=functools.cache(lambda: session.client("sqs", config=CLIENT_CONFIG)),
            url=settings.dead_letter_queue_url,
            message_group=settings.cluster_name,
        ),
        telemetry=telemetry,
        announce=cluster.pki.announce,
    )


class Pki(NamedTuple):
    """What certificates need.

    Attributes:
        tls: What etcd is asked with.
        ends: Tells when those end that the controller itself has.
        chores: Look after certificates that there are.
        errands: Issue certificates, where they are the controller's to issue.
        announce: Takes note that somebody asks for one.
    """

    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ends: Callable[[], CertificateEnds] = CertificateEnds
    chores: Sequence[Chore] = ()
    errands: Sequence[Chore] = ()
    announce: Callable[[], None] = _nobody_answers


class Cluster(NamedTuple):
    """What reaches one cluster: its group, its record, its members; and what keeps its certificates."""

    group: AutoScalingInstanceGroup
    store: SsmRecordStore
    etcd: EtcdClient
    pki: Pki
    chores: Sequence[Chore]


def reach(settings: Settings, session: boto3.session.Session, telemetry: Telemetry) -> Cluster:
    """Put together what reaches a cluster; nothing is called yet."""
    ssm = session.client("ssm", config=CLIENT_CONFIG)
    secrets_manager = functools.cache(lambda: session.client("secretsmanager", config=CLIENT_CONFIG))
    secrets = SecretReader(secrets_manager=secrets_manager, ssm=ssm)
    autoscaling = session.client("autoscaling", config=CLIENT_CONFIG)
    hook_names = {
        Transition.LAUNCHING: settings.launch_hook_name,
        Transition.TERMINATING: settings.terminate_hook_name,
    }
    group = AutoScalingInstanceGroup(
        autoscaling=autoscaling,
        ec2=session.client("ec2", config=CLIENT_CONFIG),
        name=settings.cluster_name,
        hook_names=hook_names,
    )
    watch = HookWatch(autoscaling=autoscaling, group=settings.cluster_name, hook_names=hook_names)
    pki = _pki(settings, telemetry=telemetry, group=group, ssm=ssm, secrets=secrets, secrets_manager=secrets_manager)
    user_secret = settings.etcd_user_secret
    return Cluster(
        group=group,
        store=SsmRecordStore(ssm=ssm, prefix=settings.parameter_prefix),
        etcd=EtcdClient(
            connect_timeout=settings.etcd_connect_timeout,
            read_timeout=settings.etcd_read_timeout,
            tls=pki.tls,
            login=Login((lambda: parse_user(user_secret, secrets.read(user_secret))) if user_secret else None),
        ),
        pki=pki,
        chores=(*pki.chores, *([watch] if settings.group_is_attached else ())),
    )


def _pki(
    settings: Settings,
    *,
    telemetry: Telemetry,
    group: AutoScalingInstanceGroup,
    ssm: SSMClient,
    secrets: SecretReader,
    secrets_manager: Callable[[], SecretsManagerClient],
) -> Pki:
    """Put together what certificates need; without them its library is not even loaded."""
    if settings.pki.kind == "off":
        return Pki()
    from .pki import identity  # noqa: PLC0415 - see above

    clock, pki = SystemClock(), settings.pki

    def trouble(error: ClusterError) -> None:
        telemetry.trouble("the controller's certificate was not renewed", error)
        telemetry.count(Metric.CHORE_ERRORS)

    if pki.kind == "own":
        given = identity.ClientIdentity(
            lambda: identity.given_material(pki.source, secrets.read(pki.source), clock.now()),
            now=clock.now,
            trouble=trouble,
        )
        return Pki(tls=given, ends=given.ends)
    from .pki.authorities import Authorities  # noqa: PLC0415
    from .pki.desk import CertificateDesk  # noqa: PLC0415
    from .pki.ended import EndedCertificates  # noqa: PLC0415

    authorities = Authorities(
        vault=SecretsManagerVault(client=secrets_manager, secret=pki.ca_secret),
        cluster=settings.cluster_name,
        generations=pki.generations,
        now=clock.now,
    )
    tray = SsmCertificateTray(ssm=ssm, prefix=settings.parameter_prefix)
    desk = CertificateDesk(
        authorities=authorities,
        tray=tray,
        ec2=group,
        clock=clock,
        telemetry=telemetry,
        host_role=pki.host_role,
        life=pki.certificate_life,
        cluster_names=pki.cluster_names,
        longest_pause=settings.aws_poll_interval,
    )
    issued = identity.ClientIdentity(
        functools.partial(identity.issued_material, authorities, clock.now), now=clock.now, trouble=trouble
    )
    ended = EndedCertificates(tray=tray, clock=clock, telemetry=telemetry)
    return Pki(tls=issued, ends=issued.ends, chores=(ended,), errands=(desk,), announce=desk.announce)


def _chores(settings: Settings, session: boto3.session.Session) -> list[Chore]:
    """What the controller does besides, by the settings that ask for it."""
    chores: list[Chore] = []
    if settings.domain:
        zone = HostedZone(client=session.client("route53", config=_CHORE_CONFIG), zone_id=settings.dns_zone_id)
        chores.append(KeepNames(zone=zone, domain=settings.domain, clock=SystemClock()))
    return chores
