"""What is sent to the dead-letter queue."""

from __future__ import annotations

import pytest

from etcd_aws_cluster.aws.dead_letters import DeadLetterQueue
from etcd_aws_cluster.core.errors import AwsError
from tests.unit.aws.stubs import SESSION, scripted

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/etcd-dead.fifo"


def test_a_message_goes_there_unchanged_with_the_reason_and_once() -> None:
    client = SESSION.client("sqs")
    queue = DeadLetterQueue(client=lambda: client, url=URL, message_group="etcd")
    with scripted(client) as sqs:
        sqs.add_response(
            "send_message",
            {"MessageId": "m2"},
            {
                "QueueUrl": URL,
                "MessageBody": "{",
                "MessageGroupId": "etcd",
                "MessageDeduplicationId": "m1",
                "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "not JSON"}},
            },
        )

        queue.send("{", message_id="m1", reason="not JSON")


def test_a_message_that_cannot_be_sent_is_told_with_its_id() -> None:
    client = SESSION.client("sqs")
    queue = DeadLetterQueue(client=lambda: client, url=URL, message_group="etcd")
    with scripted(client) as sqs:
        sqs.add_client_error("send_message", "AWS.SimpleQueueService.NonExistentQueue", "gone")

        with pytest.raises(AwsError, match=r"^SendMessage for message m1 to https://.* failed: AWS.SimpleQueue"):
            queue.send("{", message_id="m1", reason="not JSON")


def test_no_client_is_made_before_there_is_something_to_send() -> None:
    DeadLetterQueue(client=lambda: pytest.fail("a client was made"), url=URL, message_group="etcd")
