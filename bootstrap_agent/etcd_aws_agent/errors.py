"""What can go wrong, each with its own exit code.

AgentError
├── SettingsError        a setting that cannot be right
├── MetadataError        IMDSv2 did not answer, or not with what it promises
├── GroupLookupError     ASG_BY_TAG names no group, or several
├── RecordError          the record is corrupt or of another schema
├── OpensslError         the openssl command is missing or fails
├── MaterialError        key, certificate and CAs do not work together
├── NoMaterialError      --renew where there is nothing to renew
└── ReadError            an AWS read brought no answer to rely on
    ├── UnavailableError   not reachable, failing, no credentials
    │   └── ThrottledError   too many requests, of this host or of others
    └── DeniedError        answered, and refused us
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes; 1 to 4 mean what they meant in the seed, and its 5 to 10 are not used again."""

    OK = 0
    REGION_UNKNOWN = 1
    INSTANCE_ID_UNKNOWN = 2
    PRIVATE_IP_UNKNOWN = 3
    GROUP_UNKNOWN = 4
    METADATA_UNAVAILABLE = 11
    NOT_LISTED_IN_TIME = 12
    RECORD_NOT_READ_IN_TIME = 13
    RECORD_UNUSABLE = 14
    MEMBER_REMOVED = 15
    DATA_LOST = 16
    DATA_OF_ANOTHER_CLUSTER = 17
    ADDRESS_CHANGED = 18
    CANNOT_WRITE = 19
    CERTIFICATE_NOT_IN_TIME = 20
    OPENSSL_UNUSABLE = 21
    MATERIAL_UNUSABLE = 22
    NOTHING_TO_RENEW = 23
    USAGE = 64


class AgentError(Exception):
    """The agent cannot go on; `exit_code` says which kind of failure it is."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SettingsError(AgentError):
    """A setting has a value that cannot be right."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message, exit_code)


class MetadataError(AgentError):
    """The instance metadata service (IMDSv2) did not answer with what was asked for."""


class GroupLookupError(AgentError):
    """The Name tag in PROXY_ASG is that of no Auto Scaling group, or of several."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.GROUP_UNKNOWN)


class RecordError(AgentError):
    """The record is not one that this version can read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.RECORD_UNUSABLE)


class OpensslError(AgentError):
    """The openssl command, which makes keys and certificate requests, is missing or fails."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.OPENSSL_UNUSABLE)


class MaterialError(AgentError):
    """Key, certificate and CAs do not work together, or not for this host, or not now."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.MATERIAL_UNUSABLE)


class NoMaterialError(AgentError):
    """A renewal was asked for on a host that has no certificate."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NOTHING_TO_RENEW)


class ReadError(AgentError):
    """An AWS read brought no answer; that is never taken as "absent"."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.RECORD_NOT_READ_IN_TIME)


class UnavailableError(ReadError):
    """The service was not reached, is throttling or failing, or there are no credentials yet."""


class ThrottledError(UnavailableError):
    """The service has more requests than it allows; one limit holds for all hosts of an account."""


class DeniedError(ReadError):
    """The service answered and refused; IAM is eventually consistent, so it is asked again."""
