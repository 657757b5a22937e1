"""The function's entry: reads the messages of a batch, then looks at the cluster once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import wiring
from .core.errors import AwsError, GroupGoneError, RecordError
from .core.telemetry import Metric
from .events import Ignored, MalformedMessageError, Trigger, parse_message
from .observability import logger, metrics, tracer
from .wiring import Controller

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
Answer = dict[str, list[dict[str, str]]]


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handle(event: Mapping[str, Any], context: LambdaContext) -> Answer:
    """Handle a batch of the cluster's queue."""
    return respond(event, wiring.controller(), lambda: context.get_remaining_time_in_millis() / 1000)


def respond(event: Mapping[str, Any], controller: Controller, time_left: Callable[[], float]) -> Answer:
    """Take every message, then look once if any gives reason to.

    Args:
        event: The batch.
        controller: Who looks.
        time_left: Seconds until the function is stopped.

    Returns:
        The messages that SQS is to deliver again, in their order: the first that could neither be read nor put aside,
        and all behind it.
    """
    triggers: list[Trigger] = []
    try:
        records: Sequence[Mapping[str, Any]] = event["Records"]
        for record in records:
            trigger = _take(record["messageId"], record["body"], controller)
            if trigger is None:
                break
            triggers.append(trigger)
        if len(triggers) < len(records) or not all(isinstance(t, Ignored) for t in triggers):
            _look(controller, time_left)
    finally:
        controller.telemetry.publish()
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records[len(triggers) :]]}


def _take(message_id: str, body: str, controller: Controller) -> Trigger | None:
    """Read a message, or put it aside; None if neither could be done."""
    try:
        trigger = parse_message(body, group=controller.cluster_name)
    except MalformedMessageError as error:
        return Ignored("malformed") if _put_aside(message_id, body, error, controller) else None
    except Exception:  # noqa: BLE001 - a message must not keep us from looking
        logger.exception("message not read", extra={"message_id": message_id})
        return None
    logger.info("message", extra={"message_id": message_id, "trigger": str(trigger)})
    return trigger


def _put_aside(message_id: str, body: str, problem: MalformedMessageError, controller: Controller) -> bool:
    logger.warning("malformed message", extra={"message_id": message_id, "problem": str(problem)})
    controller.telemetry.count(Metric.MALFORMED_MESSAGES)
    try:
        controller.dead_letters.send(body, message_id=message_id, reason=str(problem))
    except AwsError as error:
        controller.telemetry.trouble("malformed message not put aside", error)
        return False
    return True


def _look(controller: Controller, time_left: Callable[[], float]) -> None:
    """Run the reconciler. What it cannot read or write now is looked at again by the next tick, not by redelivery."""
    try:
        report = controller.run(time_left)
    except GroupGoneError as error:
        logger.info("nothing to look after", extra={"problem": str(error)})
    except (AwsError, RecordError) as error:
        controller.telemetry.count(Metric.RECONCILE_ERRORS)
        controller.telemetry.trouble("look failed", error)
        return
    else:
        logger.info("run", extra=asdict(report))
    controller.telemetry.count(Metric.TICK)
