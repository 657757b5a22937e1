"""One HTTP request, bounded in size and in time."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import HTTPError

from etcd_aws_agent.errors import UnavailableError

# A parameter's value has at most 8 KB, an identity document less than 1 KB.
LONGEST_ANSWER_BYTES = 128 * 1024
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 3.0
ATTEMPT_TIMEOUT_S = 8.0


class Answer(NamedTuple):
    """An HTTP answer of any status."""

    status: int
    body: bytes


class OutOfTimeError(Exception):
    """The time for one attempt is over."""


@contextmanager
def attempt_time_limit(seconds: float = ATTEMPT_TIMEOUT_S) -> Iterator[None]:
    """End what runs inside after `seconds`, even if it is one byte a second (which no socket timeout notices).

    Raises:
        OutOfTimeError: or what a library makes of it.
    """

    def interrupt(_signal_number: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError(f"no complete answer within {seconds:g} s")

    previous_handler = signal.signal(signal.SIGALRM, interrupt)
    previous_timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *previous_timer)
        signal.signal(signal.SIGALRM, previous_handler)


class Transport:
    """Sends requests through botocore's HTTP session; never follows a redirect, never retries."""

    def __init__(self, *, verify: str | bool = True, proxies: Mapping[str, str] | None = None) -> None:
        self._session = URLLib3Session(
            verify=verify,  # type: ignore[arg-type]  # the stubs know neither a path here
            proxies=dict(proxies or {}),
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),  # type: ignore[arg-type]  # nor a pair here
        )

    def send(self, request: AWSRequest) -> Answer:
        """Send one request.

        Raises:
            UnavailableError: there is no complete answer of an acceptable size.
        """
        request.stream_output = True
        try:
            with attempt_time_limit():
                response = self._session.send(request.prepare())
                body = response.raw.read(LONGEST_ANSWER_BYTES + 1)
        except (BotoCoreError, HTTPError, OutOfTimeError, OSError) as error:
            raise UnavailableError(f"{request.url}: {' '.join(str(error).split())}") from error
        if len(body) > LONGEST_ANSWER_BYTES:
            raise UnavailableError(f"{request.url}: answer of more than {LONGEST_ANSWER_BYTES} bytes")
        return Answer(status=response.status_code, body=body)
