"""The entry of the second function: CloudFormation's requests about the guard and the rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import ClusterError
from ..observability import logger
from .answer import answer
from .deployed import Deployed
from .guard import RefusedError
from .rollout import Progress, RolloutFailedError
from .wiring import Deployment, deployment

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

GUARD = "Custom::EtcdGuard"
ROLLOUT = "Custom::EtcdRollout"
RESERVE_S = 60
"""With less than this left of a run the next one goes on: a look may hang, and the answer takes its tries."""
_PROGRESS = "EtcdRolloutProgress"


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle one request, or go on with one that takes longer than a run."""
    respond(event, deployment, lambda: context.get_remaining_time_in_millis() / 1000)


def respond(event: dict[str, Any], parts: Callable[[], Deployment], time_left: Callable[[], float]) -> None:
    """Do what the request says and answer it, once, whatever happens.

    Args:
        event: CloudFormation's request; with progress added, if it is gone on with.
        parts: Makes what the work needs.
        time_left: Seconds until the function is stopped.
    """
    kind, request = event["ResourceType"], event["RequestType"]
    physical_id = event.get("PhysicalResourceId") or f"{kind.rpartition(':')[2]}-{event['LogicalResourceId']}"
    logger.info("request", extra={"kind": kind, "request": request, "properties": event["ResourceProperties"]})
    problem = ""
    try:
        if request == "Delete":
            _let_go(kind, parts)
        elif kind == GUARD:
            parts().guard.check(Deployed.from_text(event["ResourceProperties"]["Deployed"]))
        elif left := _roll_out(event, parts, time_left):
            parts().call_again({**event, _PROGRESS: left.to_json()})
            return
    except (RefusedError, RolloutFailedError) as refused:
        problem = str(refused)
    except (ClusterError, ValueError) as error:
        problem = f"It could not be found out whether this is safe, so it was not done: {error}"
    except Exception as error:  # noqa: BLE001 - unanswered, CloudFormation would wait for an hour
        logger.exception("request failed")
        problem = f"{type(error).__name__}: {error} (the log of this function has more)"
    logger.info("answer", extra={"kind": kind, "request": request, "problem": problem})
    answer(event, physical_id=physical_id, problem=problem)


def _let_go(kind: str, parts: Callable[[], Deployment]) -> None:
    """Have nothing in the way of the group, if that is deleted next. It asks nobody, and no failure of it counts."""
    if kind != ROLLOUT:
        return
    try:
        parts().rollout(0).let_go()
    except Exception:  # noqa: BLE001 - a stack that is deleted must not be held up by this
        logger.exception("protection from scale-in not taken off")


def _roll_out(
    event: Mapping[str, Any], parts: Callable[[], Deployment], time_left: Callable[[], float]
) -> Progress | None:
    """Return how far it is, if there is more to do than fits into this run."""
    properties = event["ResourceProperties"]
    if event["RequestType"] == "Create" or properties["Mode"] != "automatic":
        return None  # the group makes its first instances by itself; or a person replaces them
    rollout = parts().rollout(60 * float(properties["TimeoutMinutes"]))
    progress = Progress.from_json(event[_PROGRESS]) if _PROGRESS in event else rollout.begin()
    return rollout.run(progress, lambda: time_left() > RESERVE_S)
