"""The one port call that the shipped executor makes of an action."""

from __future__ import annotations

from concurrent.futures import Executor
from datetime import timedelta
from typing import Any, cast

from etcd_aws_cluster.app.execute import ActionExecutor
from etcd_aws_cluster.app.observe import Observer
from etcd_aws_cluster.core.actions import Act
from etcd_aws_cluster.core.errors import EtcdError, OutcomeUnknownError
from etcd_aws_cluster.core.view import View
from tests.explorer.render import POLICY

_ETCD_CALLS = ("add_member", "promote_member", "remove_member", "move_leadership")


class _Recorder:
    """Stands in for every port and remembers what it is asked for; it can fail as etcd does."""

    def __init__(self, failure: EtcdError | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._failure = failure

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands in for anything
        def record(*arguments: object, **named: object) -> object:
            if name in ("count", "trouble"):
                return None
            self.calls.append((name, *arguments, *named.values()))
            if self._failure and name in _ETCD_CALLS:
                raise self._failure
            return arguments[0] if arguments else None

        return record


def call_of(view: View, decision: Act) -> tuple[Any, ...]:
    """Have the shipped executor carry the action out, and return the one call that it makes (INV-6)."""
    for failure in (OutcomeUnknownError("no answer"), None):
        ports: Any = _Recorder(failure)
        observer = Observer(
            members=ports,
            group=ports,
            store=ports,
            clock=ports,
            policy=POLICY,
            aws_max_age=timedelta(seconds=2),
            executor=cast("Executor", ports),
        )
        executor = ActionExecutor(members=ports, group=ports, store=ports, telemetry=ports, observer=observer)
        executor.execute(view, decision.action)
        if len(ports.calls) != 1:
            raise AssertionError(f"INV-6: {len(ports.calls)} calls for one action, without a look between them")
    return cast("tuple[Any, ...]", ports.calls[0])
