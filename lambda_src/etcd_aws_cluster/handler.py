"""The function's entry: reads the messages of a batch, then looks at the cluster once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from . import wiring
from .core.errors import AwsError, GroupGoneError, RecordError
from .core.telemetry import Metric
from .events import Ignored, MalformedMessageError, ParameterChange, Trigger, parse_message
from .observability import logger, metrics, tracer
from .wiring import Controller

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handle(event: SQSEvent, context: LambdaContext) -> PartialItemFailureResponse:
    """Handle a batch of the cluster's queue."""
    return respond(event, wiring.controller(), lambda: context.get_remaining_time_in_millis() / 1000)


def respond(event: SQSEvent, controller: Controller, time_left: Callable[[], float]) -> PartialItemFailureResponse:
    """Take every message, then look once if any gives reason to.

    Args:
        event: The batch.
        controller: Who looks.
        time_left: Seconds until the function is stopped.

    Returns:
        The messages that SQS is to deliver again: those that could neither be read nor put aside, and all behind them.
    """
    triggers: list[Trigger] = []

    def take(record: SQSRecord) -> None:
        try:
            trigger = parse_message(record.body, group=controller.cluster_name)
        except MalformedMessageError as error:
            _put_aside(record, error, controller)
        else:
            logger.info("message", extra={"message_id": record.message_id, "trigger": str(trigger)})
            triggers.append(trigger)

    processor = SqsFifoPartialProcessor()
    processor.raise_on_entire_batch_failure = False  # a message that cannot be put aside must not keep us from looking
    try:
        answer = process_partial_response(event=event.raw_event, record_handler=take, processor=processor)
        if any(isinstance(t, ParameterChange) for t in triggers):
            controller.announce()
        if answer["batchItemFailures"] or not all(isinstance(t, Ignored) for t in triggers):
            _look(controller, time_left)
    finally:
        controller.telemetry.publish()
    return answer


def _put_aside(record: SQSRecord, problem: MalformedMessageError, controller: Controller) -> None:
    logger.warning("malformed message", extra={"message_id": record.message_id, "problem": str(problem)})
    controller.telemetry.count(Metric.MALFORMED_MESSAGES)
    try:
        controller.dead_letters.send(record.body, message_id=record.message_id, reason=str(problem))
    except AwsError as error:
        controller.telemetry.trouble("malformed message not put aside", error)
        raise


def _look(controller: Controller, time_left: Callable[[], float]) -> None:
    """Run the reconciler. What it cannot read or write now is looked at again by the next tick, not by redelivery."""
    try:
        report = controller.run(time_left)
    except GroupGoneError as error:  # by a person's hand, or with its stack, whose alarms go too
        controller.telemetry.count(Metric.RECONCILE_ERRORS)
        controller.telemetry.trouble("nothing to look after", error)
    except (AwsError, RecordError) as error:
        controller.telemetry.count(Metric.RECONCILE_ERRORS)
        controller.telemetry.trouble("look failed", error)
        return
    else:
        logger.info("run", extra=report._asdict())
    controller.telemetry.count(Metric.TICK)
