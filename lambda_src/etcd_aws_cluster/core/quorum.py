"""The arithmetic that keeps a quorum (INV-2)."""

from __future__ import annotations


def majority(voters: int) -> int:
    """Return how many of ``voters`` make a quorum."""
    return voters // 2 + 1


def survives(*, voters: int, unresponsive: int) -> bool:
    """Whether that many voters have a quorum if that many of them do not respond.

    Both are counted after the change in question: a newcomer is a voter that does not respond, a leaver is
    not counted. 3 voters lose one: 2 of 3. One more voter for them: 4, a quorum of 3, so at most one silent.
    https://etcd.io/docs/v3.5/faq/#what-is-failure-tolerance
    """
    return voters - unresponsive >= majority(voters)


def allows_add(*, voters: int, unresponsive: int) -> bool:
    """Whether one more voter may be added, judged as if it never started.

    The second member ever is exempt, since no cluster could grow otherwise: the caller makes sure of its host.
    """
    return voters == 1 or survives(voters=voters + 1, unresponsive=unresponsive + 1)
