"""Every error that this package raises on purpose.

ClusterError
├── RecordError              the stored record cannot be used
├── InvariantViolationError  a decision would break a safety rule; it is not carried out
├── SettingError             a setting of the function is missing or wrong
├── NameTakenError           DNS names that the cluster would use are somebody else's
├── EtcdError
│   ├── RejectedError        etcd answered no, and why
│   ├── NotSentError         the request never reached etcd: nothing changed
│   └── OutcomeUnknownError  no answer came: it may or may not have taken effect (INV-6)
└── AwsError                 an AWS call failed
    └── GroupGoneError       there is no such Auto Scaling group
"""

from __future__ import annotations

from enum import StrEnum


class ClusterError(Exception):
    """Base of all."""


class RecordError(ClusterError):
    """The stored record cannot be used."""


class InvariantViolationError(ClusterError):
    """A decision would break a safety rule."""


class SettingError(ClusterError):
    """A setting is missing or wrong."""


class NameTakenError(ClusterError):
    """DNS names that the cluster would use are somebody else's; they are left alone."""


class Rejection(StrEnum):
    """Why etcd said no: one meaning for the many dresses that versions give it."""

    ALREADY_EXISTS = "the peer URL or the member id is taken"
    TOO_MANY_LEARNERS = "another learner is there"
    UNHEALTHY_CLUSTER = "not every member was connected for 5 s"
    NOT_ENOUGH_STARTED = "an unstarted voter is in the way"
    TOO_SOON = "the same peer URL was removed less than a second ago"
    NOT_IN_SYNC = "the learner has not caught up"
    NOT_LEADER = "the asked member is not the leader"
    BAD_TRANSFEREE = "the target cannot lead"
    NO_QUORUM = "the cluster has no leader"
    AUTHENTICATION = "etcd wants a user and a password"
    OTHER = "another reason"


class EtcdError(ClusterError):
    """A call to etcd did not do what it was to do."""


class RejectedError(EtcdError):
    """etcd answered no; nothing changed."""

    def __init__(self, rejection: Rejection, answer: str) -> None:
        super().__init__(f"{rejection.value}: {answer}")
        self.rejection = rejection


class NotSentError(EtcdError):
    """No connection was made; nothing changed."""


class OutcomeUnknownError(EtcdError):
    """The request was sent, and no usable answer came: look before acting again (INV-6)."""


class AwsError(ClusterError):
    """An AWS call failed; what it was to do may or may not have happened."""


class GroupGoneError(AwsError):
    """The Auto Scaling group does not exist: there is nothing left to look after."""
