"""Faults on demand: the next calls of an AWS action fail, before or after they take effect, or take their time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

Response = tuple[int, dict[str, str], bytes]
Handler = Callable[..., Awaitable[Response]]
_REST_XML: Final = frozenset({"route53"})
_QUERY: Final = "application/x-www-form-urlencoded"


@dataclass
class Fault:
    """What happens to the next ``count`` calls of an action.

    Attributes:
        action: IAM's name of it, for example ``ssm:PutParameter``.
        count: how many calls.
        code: the error code of the answer; empty: no error.
        status: the HTTP status of the answer.
        after: whether the call takes effect first, so that its caller cannot know.
        delay_s: seconds before the answer.
    """

    action: str
    count: int = 1
    code: str = "ThrottlingException"
    status: int = 400
    after: bool = False
    delay_s: float = 0.0


class Faults:
    """The faults that are still to happen, and how often each action was called."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []
        self.calls: dict[str, int] = {}

    def wrap(self, service: str, handler: Handler, name_action: Callable[..., str | None]) -> Handler:
        """A handler of MiniStack's, with faults.

        Args:
            service: MiniStack's name of the service.
            handler: answers the service's requests.
            name_action: names a request's action, as IAM does.
        """

        async def wrapped(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
        ) -> Response:
            action = name_action(service, method, path, headers, body, query) or service
            self.calls[action] = self.calls.get(action, 0) + 1
            fault = next((each for each in self.pending if each.action == action and each.count > 0), None)
            if fault is None:
                return await handler(method, path, headers, body, query)
            fault.count -= 1
            await asyncio.sleep(fault.delay_s)
            if fault.code and not fault.after:
                return failure(fault, service, headers)
            response = await handler(method, path, headers, body, query)
            return failure(fault, service, headers) if fault.code else response

        return wrapped


def failure(fault: Fault, service: str, headers: Mapping[str, str]) -> Response:
    """An error in the words of the request's protocol: XML of EC2, of REST or of the query protocol, or JSON."""
    message = "The lab was told to let this call fail."
    if service not in _REST_XML and not headers.get("content-type", "").startswith(_QUERY):
        body = json.dumps({"__type": fault.code, "message": message}).encode()
        return fault.status, {"Content-Type": "application/x-amz-json-1.1"}, body
    error = f"<Code>{escape(fault.code)}</Code><Message>{message}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    else:
        error = f"<Error><Type>Sender</Type>{error}</Error><RequestId>{uuid.uuid4()}</RequestId>"
        text = f"<ErrorResponse>{error}</ErrorResponse>"
    return fault.status, {"Content-Type": "text/xml"}, text.encode()
