"""What the controller needs from the world, each with one adapter and one fake that keeps state."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from .model import Group, InstanceId, MemberId, Reading, Result, Transition
from .record import Record


class MembershipApi(Protocol):
    """etcd's members API, v2 and v3. ``endpoint`` is a client base URL such as ``http://10.0.0.4:2379``."""

    def read(self, endpoint: str) -> Reading:
        """Ask one endpoint who it is and which members it knows; never raises for what the network or etcd does."""

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add a member.

        Raises:
            EtcdError: One of its kinds; ALREADY_EXISTS too, since it may be somebody else's.
        """

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Make a learner a voter; one that is a voter already is success.

        Raises:
            EtcdError: One of its kinds; NOT_IN_SYNC is the ordinary "not yet".
        """

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove a member by id; one that is gone already is success.

        Raises:
            EtcdError: One of its kinds.
        """

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Make ``target`` the leader; ``endpoint`` must be the leader's own.

        Raises:
            EtcdError: One of its kinds; etcd 2.x has no such call and answers OTHER.
        """


class InstanceGroup(Protocol):
    """The Auto Scaling group and EC2."""

    def read(self, also: Collection[InstanceId]) -> Group:
        """Return the group, and EC2's state of the instances in ``also`` that it does not list.

        Raises:
            AwsError: Anything failed; there is no partial answer.
        """

    def complete(self, instance_id: InstanceId, transition: Transition, result: Result) -> None:
        """Complete a lifecycle action; one that is no longer active is success.

        Raises:
            AwsError: The call failed.
        """

    def heartbeat(self, instance_id: InstanceId, transition: Transition) -> None:
        """Restart a lifecycle action's timeout; one that is no longer active is success.

        Raises:
            AwsError: The call failed.
        """

    def passes_status_checks(self, instance_id: InstanceId) -> bool:
        """Return whether EC2 says that the instance's host is up.

        Raises:
            AwsError: The call failed.
        """

    def mark_unhealthy(self, instance_id: InstanceId) -> None:
        """Have the group replace an instance; one that is gone already is success.

        Raises:
            AwsError: The call failed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What Parameter Store holds.

    Attributes:
        record: None where there is none, or it could not be understood.
        problem: Why the stored record cannot be used; empty where it can or there is none.
        initial_cluster: The published plain list; None where there is none.
        is_covered: Whether a record that was written too late, and is void, lies over this one.
    """

    record: Record | None
    problem: str = ""
    initial_cluster: str | None = None
    is_covered: bool = False


class RecordStore(Protocol):
    """Parameter Store. A record is void that was written over another than the one it follows."""

    def read(self) -> Stored:
        """Return what is stored, in one call unless void records lie over it.

        Raises:
            AwsError: The call failed.
        """

    def claim(self, record: Record) -> Record:
        """Create the claim of ``record.generation``, once for all (INV-1), and make the claimed record the stored one.

        Returns:
            The record that holds the generation: the given one, or an earlier claimer's.

        Raises:
            AwsError: A call failed.
            RecordError: An earlier claim cannot be understood.
        """

    def conclude(self, record: Record) -> Record:
        """Create the outcome of ``record.generation``, once for all (INV-1), and make it the stored record.

        Only a record that is NEW, and of that generation, is overwritten. Called again after any failure it goes on
        where it stopped.

        Returns:
            The record that is stored in the end: the given one, an earlier caller's, or one that had gone on already.

        Raises:
            AwsError: A call failed, or no record is stored.
            RecordError: The outcome or the stored record cannot be understood.
        """

    def write(self, record: Record) -> Record:
        """Overwrite the record that the given one follows.

        Returns:
            The record as it is stored; what is written next follows it.

        Raises:
            AwsError: The call failed, or the record has been written since, which makes this one void.
        """

    def write_initial_cluster(self, text: str) -> None:
        """Overwrite the plain list.

        Raises:
            AwsError: The call failed.
        """


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return epoch seconds."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
