"""What a run tells about itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Metric(StrEnum):
    """Metric names; each has the dimension ``cluster`` and an alarm or a widget that reads it."""

    TICK = "Tick"
    DESIRED = "Desired"
    VOTERS = "Voters"
    VOTERS_RESPONDING = "VotersResponding"
    LEARNERS = "Learners"
    QUORUM_LOST = "QuorumLost"
    REFUSED = "Refused"
    MEMBERSHIP_CHANGES = "MembershipChanges"
    RECONCILE_ERRORS = "ReconcileErrors"
    CHORE_ERRORS = "ChoreErrors"
    MALFORMED_MESSAGES = "MalformedMessages"
    MAJORITY_MARGIN = "MajorityMargin"
    QUORUM_AT_RISK = "QuorumAtRisk"
    LEADER_KNOWN = "LeaderKnown"
    MEMBER_DIFFERENCE = "MemberDifference"
    JOIN_WAIT = "JoinWait"
    DATABASE_SIZE = "DatabaseSize"
    DATABASE_USE = "DatabaseUse"
    NO_SPACE = "NoSpace"
    CORRUPT = "Corrupt"
    CERTIFICATE_LEFT = "CertificateLeft"
    CA_LEFT = "CaLeft"
    CERTIFICATES_ISSUED = "CertificatesIssued"
    CERTIFICATE_REQUESTS_REFUSED = "CertificateRequestsRefused"


class Telemetry(Protocol):
    """Logs and metrics."""

    def decision(self, kind: str, reason: str, detail: str, **facts: object) -> None:
        """Log a decision, once for each time that it changes."""

    def trouble(self, what: str, error: Exception) -> None:
        """Log something that went wrong and that a later look gets over."""

    def gauge(self, name: Metric, value: float) -> None:
        """Record a value as it is at the end of the run."""

    def count(self, name: Metric) -> None:
        """Count one."""
