"""From botocore's errors to ours, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from ..core.errors import AwsError


class AlreadySo(NamedTuple):
    """An answer that means that what was asked for is the case already.

    Attributes:
        code: AWS's error code.
        text: A part of its message, where the code alone can mean other things.
    """

    code: str
    text: str = ""


@contextmanager
def aws_call(operation: str, about: str) -> Iterator[None]:
    """Turn whatever botocore raises into one error that says which call failed, about what, and why.

    Args:
        operation: AWS's name of the call, for example ``PutParameter``.
        about: The instance, group, parameter or queue it was for.

    Raises:
        AwsError: The call failed; botocore's own error is its cause.
    """
    try:
        yield
    except ClientError as error:
        answer = error.response["Error"]
        raise AwsError(f"{operation} for {about} failed: {answer['Code']}: {answer['Message']}") from error
    except BotoCoreError as error:
        raise AwsError(f"{operation} for {about} failed: {type(error).__name__}: {error}") from error


@contextmanager
def already(so: AlreadySo) -> Iterator[None]:
    """Take the answer that says that it is so already for success."""
    try:
        yield
    except ClientError as error:
        answer = error.response["Error"]
        if answer["Code"] != so.code or so.text not in answer["Message"]:
            raise
