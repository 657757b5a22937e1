"""The small worlds that are explored, smallest first."""

from __future__ import annotations

from tests.explorer.etcd import Rules
from tests.explorer.search import Scope
from tests.explorer.state import (
    EXISTING,
    IN_SERVICE,
    OWN,
    READY,
    VOTER,
    Budget,
    Control,
    Entry,
    Head,
    Mind,
    Node,
    State,
)

LENIENT = Rules(is_strict=False)
_FORMED = Head(generation=1, state=EXISTING, cluster=1)


def _nothing(desired: int, **budget: int) -> State:
    return State(nodes=(), desired=desired, budget=Budget(**{"launch": desired, **budget}))


def _running(count: int, *, controllers: int = 1, is_recorded: bool = True, **budget: int) -> State:
    """Return a cluster as it should be; without a record, one that was made by hand."""
    node = Node(
        lifecycle=IN_SERVICE,
        process=READY,
        data=OWN,
        member=VOTER,
        cluster=1,
        life=0 if is_recorded else 1,
        is_caught_up=1,
        entry=Entry(kind=VOTER) if is_recorded else Entry(),
        minds=(Mind(),) * controllers,
    )
    return State(
        nodes=(node._replace(leads=1), *[node] * (count - 1)),
        desired=count,
        head=_FORMED if is_recorded else Head(),
        plain=int(is_recorded),
        claim=_FORMED._replace(generation=1) if is_recorded else Head(),
        controls=(Control(),) * controllers,
        budget=Budget(**{"launch": 1, **budget}),
    )


BACKWARDS = Rules(reads_go_back=True)
WITHOUT_LEARNERS = Rules(has_learners=False)
NOTICES_HUNG = Rules(notices_hung=True)

SCOPES = {
    scope.name: scope
    for scope in (
        Scope("form-1", _nothing(1, launch=2, crash=1, lose=1, lag=1)),
        Scope("form-3", _nothing(3, launch=4, lose=1)),
        Scope("form-3-faults", _nothing(3, launch=4, crash=1, lose=1, time_out=1, lag=1)),
        Scope("form-3-scale", _nothing(3, launch=4, scale=2), desires=(0, 1, 3)),
        Scope("adopt-3", _running(3, is_recorded=False, lose=1, lag=1)),
        Scope("replace-3", _running(3, launch=2, lose=2)),
        Scope("replace-3-faults", _running(3, launch=2, lose=1, crash=1, hang=1, lag=1)),
        Scope("replace-3-lenient", _running(3, launch=2, lose=1, crash=1, terminate=1), LENIENT),
        Scope("replace-3-late", _running(3, launch=2, lose=1, terminate=1, late=1, twin=1)),
        Scope("wipe-3", _running(3, launch=2, crash=1, wipe=1, time_out=1)),
        Scope("refresh-3", _running(3, launch=2, terminate=2, standby=1, hide=1, lag=1)),
        Scope("split-3", _running(3, launch=1, hide=1, cut=1, hang=1, crash=1)),
        Scope("scale-3", _running(3, launch=3, scale=2, lose=1), desires=(0, 1, 3, 5)),
        Scope("scale-1", _running(1, launch=3, scale=2, lose=1, crash=1, lag=1), desires=(0, 1, 2, 3)),
        Scope("generations", _running(1, launch=2, scale=2, crash=1, lag=1, late=1), desires=(0, 1)),
        Scope("two-controllers", _running(3, controllers=2, launch=1, lose=1)),
        Scope("two-form", _nothing(1, launch=2, lose=1, lag=1)._replace(controls=(Control(),) * 2)),
        Scope("learnerless-1", _running(1, launch=2, scale=1, lose=1, crash=1), WITHOUT_LEARNERS, desires=(2, 3)),
        Scope("learnerless-3", _running(3, launch=1, lose=1, crash=1), WITHOUT_LEARNERS),
        Scope(
            "learnerless-lenient",
            _running(2, launch=2, scale=1, lose=1, crash=1),
            Rules(is_strict=False, has_learners=False),
            desires=(3, 4),
        ),
        Scope("last-1", _running(1, launch=1, terminate=1, scale=1), LENIENT, desires=(2,)),
        Scope("adopt-1", _running(1, is_recorded=False, launch=2, hide=1, crash=1)._replace(desired=3)),
        Scope("retain-3", _running(3, launch=1, terminate=1, time_out=1)),
        Scope("refresh-5", _running(5, launch=1, terminate=1, crash=1)),
        Scope("replace-5", _running(5, launch=2, lose=2, crash=1)),
        Scope("silent-5", _running(5, launch=2, terminate=1, hang=1), NOTICES_HUNG),
        Scope("stale-3", _running(3, launch=2, lose=1, terminate=1, cut=1, behind=1)),
        Scope("early-3", _running(3, launch=1, crash=2, lose=1, early=2)),
        Scope("torn-3", _running(3, launch=2, lose=1, terminate=1, tear=1)),
        Scope("torn-form-3", _nothing(3, launch=4, crash=1, tear=1)),
        Scope("torn-two", _running(3, controllers=2, launch=1, terminate=1, tear=1)),
        Scope(
            "stale-learnerless",
            _running(1, launch=2, scale=1, cut=1, crash=1, early=1, behind=1),
            WITHOUT_LEARNERS,
            desires=(2, 3),
        ),
        Scope("torn-learnerless", _running(1, launch=2, scale=1, crash=1, tear=1), WITHOUT_LEARNERS, desires=(2, 3)),
        Scope("form-3-wipe", _nothing(3, launch=4, crash=1, wipe=1, early=1)),
        Scope("form-3-recall", _nothing(3, launch=4, lose=1, crash=1, recall=1)),
        Scope("recall-3", _running(3, launch=2, lose=1, terminate=1, crash=1, recall=1)),
        Scope("generations-recall", _running(1, launch=2, scale=2, crash=1, recall=1), desires=(0, 1)),
        Scope("form-1-late", _nothing(1, launch=3, lose=1, crash=1, late_write=1)),
        Scope("form-3-late", _nothing(3, launch=4, lose=1, late_write=1)),
        Scope("record-3-late", _running(3, launch=2, lose=1, terminate=1, late_write=1)),
        Scope("generations-late", _running(1, launch=3, scale=2, crash=1, late_write=1), desires=(0, 1)),
        Scope("detach-3", _running(3, launch=2, detach=1, lose=1, crash=1)),
        Scope("delete-3", _running(3, launch=1, detach=1, delete=1, terminate=1, crash=1)),
        Scope("delete-form-3", _nothing(3, launch=3, delete=1, lose=1, lag=1)),
        Scope("backwards", _running(3, launch=2, lose=1, crash=1, lag=1), BACKWARDS),
    )
}

_NO_RECORD_WHERE_THERE_IS_ONE = {
    "INV-5: an instance is let go that still is a member",
    "INV-5: an instance of the forming cohort is let go",
}
_A_LOG_IS_LOST_EARLY = {"INV-5: a voter that lost its log starts anew"}
_KNOWN: dict[str, set[str]] = {
    "form-3-recall": _NO_RECORD_WHERE_THERE_IS_ONE,
    "form-3-wipe": _A_LOG_IS_LOST_EARLY,
}


def known_problems(scope: str) -> frozenset[str]:
    """Return the known problems that a search of a scope passes over: docs/explorer.md tells of each."""
    return frozenset(_KNOWN.get(scope, ()))
