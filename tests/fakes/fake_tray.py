"""The parameters for certificates, in dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etcd_aws_cluster.core.certificates import Applicant, CertificateRequest

from .failures import Failures


@dataclass
class FakeTray:
    """The port CertificateTray.

    Attributes:
        asked: Every version of every request that is there.
        certificates: By applicant and name.
        before_withdrawal: Called when a request is about to be deleted, as another writer would come between.
    """

    bundle: str | None = None
    asked: dict[tuple[Applicant, str], list[CertificateRequest]] = field(default_factory=dict)
    certificates: dict[tuple[Applicant, str], str] = field(default_factory=dict)
    before_withdrawal: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._failures = Failures()
        self.fail_next = self._failures.fail_next
        self.calls = self._failures.calls

    def ask(self, applicant: Applicant, name: str, text: str, writer: str = "") -> None:
        """Write a request, as its owner does, or somebody else."""
        versions = self.asked.setdefault((applicant, name), [])
        versions.append(CertificateRequest(name=name, text=text, version=len(versions) + 1, writer=writer))

    def is_open(self, name: str, applicant: Applicant = Applicant.HOST) -> bool:
        """Whether there is such a request."""
        return (applicant, name) in self.asked

    def read_bundle(self) -> str | None:
        with self._failures.during("read_bundle"):
            return self.bundle

    def write_bundle(self, text: str) -> None:
        with self._failures.during("write_bundle"):
            self.bundle = text

    def requests(self, applicant: Applicant) -> Sequence[CertificateRequest]:
        with self._failures.during("requests"):
            return [replace(versions[-1], writer="") for (who, _), versions in self.asked.items() if who is applicant]

    def versions(self, applicant: Applicant, name: str) -> Sequence[CertificateRequest]:
        with self._failures.during("versions"):
            return self.asked.get((applicant, name), [])[::-1]

    def withdraw(self, applicant: Applicant, request: CertificateRequest) -> bool:
        with self._failures.during("withdraw"):
            self.before_withdrawal()
            versions = self.asked.get((applicant, request.name))
            if versions and versions[-1].version != request.version:
                return False
            self.asked.pop((applicant, request.name), None)
            return True

    def certified(self, applicant: Applicant) -> Mapping[str, str]:
        with self._failures.during("certified"):
            return {name: text for (who, name), text in self.certificates.items() if who is applicant}

    def read_certificate(self, applicant: Applicant, name: str) -> str | None:
        with self._failures.during("read_certificate"):
            return self.certificates.get((applicant, name))

    def write_certificate(self, applicant: Applicant, name: str, text: str) -> None:
        with self._failures.during("write_certificate"):
            self.certificates[applicant, name] = text

    def delete_certificate(self, applicant: Applicant, name: str) -> None:
        with self._failures.during("delete_certificate"):
            self.certificates.pop((applicant, name), None)
