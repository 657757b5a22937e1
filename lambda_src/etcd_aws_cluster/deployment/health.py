"""Whether the cluster can bear that its members are replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.asking import endpoints_to_ask
from ..core.policy import Policy
from ..core.ports import Clock, InstanceGroup, MembershipApi, RecordStore
from ..core.record import RecordState
from ..core.view import View, read_membership


def health_of(
    *, group: InstanceGroup, store: RecordStore, members: MembershipApi, policy: Policy, clock: Clock
) -> Callable[[], str]:
    """Return what says, when it is called, why the cluster is not whole; empty if it is: all members vote and serve."""

    def look() -> str:
        stored = store.read()
        record = stored.record
        if record is None or record.state is not RecordState.EXISTING or record.cluster_id is None:
            return stored.problem or "no cluster has formed"
        found = group.read({m.instance for m in record.members if m.instance})
        view = View(observed_at=clock.now(), group=found, stored=stored)
        while more := endpoints_to_ask(view, policy):
            view = replace(view, readings=(*view.readings, *map(members.read, more)))
        membership = read_membership(view, record.cluster_id)
        if membership is None:
            problems = "; ".join(f"{r.endpoint}: {r.problem}" for r in view.readings if r.problem)
            return f"no quorum answers ({problems or 'nobody does'})"
        silent = [str(m) for m in membership.voters if m.member_id not in membership.serving]
        joining = [str(m) for m in membership.learners]
        return "; ".join(
            [*(f"voter {m} does not serve" for m in silent), *(f"learner {m} does not vote yet" for m in joining)]
        )

    return look
