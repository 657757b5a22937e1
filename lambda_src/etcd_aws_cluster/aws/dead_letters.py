"""The dead-letter queue, for messages that nobody could ever read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class DeadLetterQueue:
    """Sends there by itself what SQS would only move after five attempts that hold up the messages behind it."""

    def __init__(self, *, client: Callable[[], SQSClient], url: str, message_group: str) -> None:
        self._client = client  # made when first needed, which is hardly ever
        self._url = url
        self._message_group = message_group

    def send(self, body: str, *, message_id: str, reason: str) -> None:
        """Send a message's body; sent again within five minutes, SQS drops it.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("SendMessage", f"message {message_id} to {self._url}"):
            self._client().send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=self._message_group,
                MessageDeduplicationId=message_id,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
