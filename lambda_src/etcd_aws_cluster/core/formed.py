"""A formed cluster that has a quorum, and what may be done to it."""

from __future__ import annotations

from dataclasses import dataclass

from .model import InstanceId, Member
from .policy import Policy
from .quorum import allows_add, survives
from .record import Record
from .view import Membership, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Formed:
    """A view whose record is of a formed cluster, and that cluster's proven membership.

    Attributes:
        record: As it is stored.
        current: As it ought to be stored.
    """

    view: View
    policy: Policy
    record: Record
    current: Record
    membership: Membership

    def owner(self, member: Member) -> InstanceId | None:
        """Return the instance that a member is on."""
        return self.membership.owners[member.member_id]

    def is_gone(self, member: Member) -> bool:
        """Whether a member's instance can never come back. One that answers is there, whatever EC2 says."""
        owner = self.owner(member)
        return (
            owner is not None
            and self.view.group.ec2_state(owner).is_ending
            and member.member_id not in self.membership.answering
        )

    def is_leaving(self, member: Member) -> bool:
        """Whether a member's instance is on its way out."""
        instance = self.view.group.find(self.owner(member))
        return instance is not None and self.view.is_leaving(instance)

    def staying_voters(self) -> tuple[Member, ...]:
        """Return the voters whose instances are neither gone nor leaving."""
        return tuple(m for m in self.membership.voters if not self.is_gone(m) and not self.is_leaving(m))

    def may_add(self) -> bool:
        """Whether the quorum survives one more voter, even if that one fell silent at once (INV-2)."""
        return allows_add(voters=len(self.membership.voters), unresponsive=self.membership.silent_voters())

    def may_remove(self, member: Member) -> bool:
        """Whether the quorum survives without a member (INV-2), the last voter being kept (INV-4)."""
        voters = len(self.membership.voters) - (not member.is_learner)
        silent = self.membership.silent_voters(without=member.member_id)
        return voters > 0 and survives(voters=voters, unresponsive=silent)
