"""Answers requests for certificates: the only place that decides who gets one (docs/decisions/0015-tls.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from ..core.certificates import Applicant, CertificateRequest, CertificateTray, InstanceStates
from ..core.errors import AwsError, ClusterError
from ..core.model import INSTANCE_ID, Group, Instance, InstanceId
from ..core.ports import Clock
from ..core.telemetry import Metric, Telemetry
from ..core.view import View
from .authorities import Authorities
from .certificates import Subject, host, pem, requested_key
from .errors import PkiError
from .rounds import Rounds

_CLIENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TIDY_EVERY = timedelta(hours=1)
_MOST_FAILURES = 2

MOST_AT_ONCE = 20
"""So many clients and strangers at one look: each costs calls to AWS, and members wait meanwhile."""


class CertificateDesk:
    """A chore: requests in, certificates out.

    It is called at each look and knows by itself what is due (``rounds``). Once an hour, at the first look, and when
    the group has other instances, it also makes sure that the bundle is published, and deletes the certificates of
    instances that are gone.

    Args:
        host_role: Name of the instances' role. Only EC2 can take it on, and names its sessions by the instance: that is
            what makes the writer of a request known.
        life: Of a certificate.
        cluster_names: DNS names that every member shall be known by; ``{instance_id}`` is filled in.
        longest_pause: Between two looks at requests while a host may wait for an answer; at first it is less.
    """

    name = "certificates"

    def __init__(
        self,
        *,
        authorities: Authorities,
        tray: CertificateTray,
        ec2: InstanceStates,
        clock: Clock,
        telemetry: Telemetry,
        host_role: str,
        life: timedelta,
        cluster_names: Sequence[str] = (),
        longest_pause: timedelta = timedelta(seconds=2),
    ) -> None:
        self._authorities = authorities
        self._tray = tray
        self._ec2 = ec2
        self._clock = clock
        self._telemetry = telemetry
        self._writer = re.compile(rf"arn:[a-z-]+:sts::[0-9]{{12}}:assumed-role/{re.escape(host_role)}/(?P<session>.+)")
        self._life = life
        self._cluster_names = tuple(cluster_names)
        self._rounds = Rounds(clock=clock, longest=longest_pause)
        self._group: Group | None = None
        self._is_more = False
        self._tidied: tuple[frozenset[InstanceId], float] | None = None

    def announce(self) -> None:
        """Somebody asks for a certificate: the next look is at all requests."""
        self._rounds.announce()

    def run(self, view: View) -> None:
        """Answer what is asked for, if it is time to look; see the class.

        Raises:
            ClusterError: Something did not work. Everything else was done all the same.
        """
        is_new, self._group = view.group is not self._group, view.group
        due = self._rounds.due(view)
        steps: list[Callable[[], None]] = [partial(self._tidy, view.group)] if is_new else []
        if Applicant.HOST in due:
            steps.append(partial(self._serve_hosts, view.group, may_be_gone=is_new))
        if Applicant.CLIENT in due:
            steps.append(self._serve_clients)
        self._is_more = False
        try:
            _each(steps)
        except ClusterError:
            self._rounds.failed()
            raise
        self._rounds.looked(due)
        if self._is_more:
            self._rounds.announce()

    def _serve_hosts(self, group: Group, *, may_be_gone: bool) -> None:
        """Answer those of the group first: whoever can ask can ask in the name of many."""
        steps: list[Callable[[], None]] = []
        strangers: list[CertificateRequest] = []
        for asked in self._tray.requests(Applicant.HOST):
            instance = group.find(InstanceId(asked.name))
            if instance is None:
                strangers.append(asked)
            else:
                steps.append(partial(self._serve_host, instance, asked))
        if may_be_gone:  # what EC2 says of strangers is as old as the group
            steps += [partial(self._tidy_request, group, asked) for asked in strangers[:MOST_AT_ONCE]]
        _each(steps)

    def _serve_clients(self) -> None:
        asked = self._tray.requests(Applicant.CLIENT)
        self._is_more = len(asked) > MOST_AT_ONCE
        _each([partial(self._serve_client, each) for each in asked[:MOST_AT_ONCE]])

    def _tidy_request(self, group: Group, listed: CertificateRequest) -> None:
        """Delete what an instance left that is gone; one that is about to be attached to the group is answered then."""
        if self._gone(group, [listed.name]):
            self._tray.withdraw(Applicant.HOST, listed)

    def _serve_host(self, instance: Instance, listed: CertificateRequest) -> None:
        if instance.private_ip is None or instance.ec2_state.is_ending:
            return
        versions = self._tray.versions(Applicant.HOST, listed.name)
        if not versions:
            return
        newest = versions[0]
        own = next((v for v in versions if self._is_by(instance, v)), None)
        if own is not newest:  # each host may write there: one that was taken over must not keep others from theirs
            problem = f"version {newest.version} was written by {newest.writer or 'nobody known'}, not by the instance"
            self._complain(Applicant.HOST, newest, PkiError(problem))
        if own is None:
            self._tray.withdraw(Applicant.HOST, newest)
            return
        # What is deleted in the end is what is there by then.
        asked = replace(own, version=newest.version)
        self._answer(Applicant.HOST, asked, self._host(instance, instance.private_ip))

    def _is_by(self, instance: Instance, asked: CertificateRequest) -> bool:
        session = self._writer.fullmatch(asked.writer)
        return session is not None and session["session"] == instance.instance_id

    def _host(self, instance: Instance, private_ip: str) -> Subject:
        names = [name.replace("{instance_id}", instance.instance_id) for name in self._cluster_names]
        return host(instance.instance_id, private_ip, names)

    def _serve_client(self, asked: CertificateRequest) -> None:
        if not _CLIENT_NAME.fullmatch(asked.name):
            problem = PkiError("the name is not 1 to 64 of A-Z a-z 0-9 _ . -")
            self._refuse(Applicant.CLIENT, asked, problem)
            return
        self._answer(Applicant.CLIENT, asked, Subject(name=asked.name))

    def _answer(self, applicant: Applicant, asked: CertificateRequest, subject: Subject) -> None:
        try:
            public_key = requested_key(asked.text)
        except PkiError as error:
            self._refuse(applicant, asked, error)
            return
        authority, now = self._authorities.signing(), self._clock.now()
        present = self._tray.read_certificate(applicant, asked.name)
        if not authority.answers(present, subject, public_key, now=now):
            issued = authority.issue(subject, public_key, life=self._life, now=now)
            self._tray.write_certificate(applicant, asked.name, pem(issued))
            self._telemetry.decision(
                "Certify",
                "ISSUED",
                f"{applicant}certificate of {asked.name}",
                serial=f"{issued.serial_number:x}",
                ends_at=issued.not_valid_after_utc.isoformat(),
            )
            self._telemetry.count(Metric.CERTIFICATES_ISSUED)
        self._tray.withdraw(applicant, asked)

    def _refuse(self, applicant: Applicant, asked: CertificateRequest, problem: PkiError) -> None:
        """Say so, once: the request is deleted, so that its rightful owner can ask again."""
        self._complain(applicant, asked, problem)
        self._tray.withdraw(applicant, asked)

    def _complain(self, applicant: Applicant, asked: CertificateRequest, problem: PkiError) -> None:
        about = f"{applicant}certificate-requests/{asked.name}"
        self._telemetry.trouble("certificate request refused", PkiError(f"{about}: {problem}"))
        self._telemetry.count(Metric.CERTIFICATE_REQUESTS_REFUSED)

    def _tidy(self, group: Group) -> None:
        now = frozenset(i.instance_id for i in group.instances)
        if self._tidied:
            instances, at = self._tidied
            if now == instances and self._clock.monotonic() - at < _TIDY_EVERY.total_seconds():
                return
        bundle = self._authorities.bundle()
        if self._tray.read_bundle() != bundle:
            self._tray.write_bundle(bundle)
        for gone in self._gone(group, self._tray.certified(Applicant.HOST)):
            self._tray.delete_certificate(Applicant.HOST, gone)
        self._tidied = (now, self._clock.monotonic())

    def _gone(self, group: Group, names: Iterable[str]) -> set[str]:
        """Return those that the group does not list and that EC2 says have ended. A name that is no id was no host."""
        strangers = {n for n in names if group.find(InstanceId(n)) is None}
        ids = {InstanceId(n) for n in strangers if INSTANCE_ID.fullmatch(n)}
        states = self._ec2.states(ids) if ids else {}
        return {n for n in strangers if InstanceId(n) not in ids or states[InstanceId(n)].has_ended}


def _each(steps: Sequence[Callable[[], None]]) -> None:
    """Take every step; what went wrong first is raised in the end.

    An AWS that failed twice is not asked further: each call may take as long as AWS takes to fail, and members wait.
    """
    problems: list[ClusterError] = []
    for step in steps:
        try:
            step()
        except ClusterError as error:
            problems.append(error)
        if sum(isinstance(p, AwsError) for p in problems) == _MOST_FAILURES:
            break
    if problems:
        raise problems[0]
