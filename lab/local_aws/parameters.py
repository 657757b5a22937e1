"""Parameter Store where MiniStack differs from AWS: who wrote each version, how many are kept, events of changes."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ministack.core import iam_evaluator
from ministack.services import ssm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .faults import Handler, Response

_KEPT_VERSIONS: Final = 100
_OK: Final = 200


class ParameterStore:
    """What a request to Parameter Store does beside what MiniStack does.

    Args:
        put_event: puts an event on the default bus.
    """

    def __init__(self, put_event: Callable[[dict[str, Any]], None]) -> None:
        self._put_event = put_event

    def wrap(self, handler: Handler) -> Handler:
        """MiniStack's handler of the service, with that."""

        async def wrapped(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
        ) -> Response:
            action, request = headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or b"{}")
            before = {name: dict(ssm._parameters[name]) for name in _names(request) if name in ssm._parameters}
            status, answered, answer = await handler(method, path, headers, body, query)
            if status == _OK:
                if action == "PutParameter":
                    _sign(request["Name"], iam_evaluator.request_caller_arn(dict(headers), dict(query)))
                elif action == "DescribeParameters":
                    answer = _with_writers(answer)
                for operation, record in _changes(action, request, before):
                    self._put_event(_event(operation, record))
            return status, answered, answer

        return wrapped


def _names(request: dict[str, Any]) -> list[str]:
    return [request["Name"]] if "Name" in request else list(request.get("Names", []))


def _sign(name: str, caller: str) -> None:
    """Say who wrote the newest version, and drop the oldest above what AWS keeps."""
    history = ssm._parameter_history[name]
    history[-1]["LastModifiedUser"] = caller
    del history[:-_KEPT_VERSIONS]


def _with_writers(answer: bytes) -> bytes:
    told = json.loads(answer)
    for each in told["Parameters"]:
        each["LastModifiedUser"] = ssm._parameter_history[each["Name"]][-1]["LastModifiedUser"]
    return json.dumps(told).encode()


def _changes(
    action: str, request: dict[str, Any], before: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operation of each parameter that a call changed, with what is known of it."""
    if action == "PutParameter":
        name = request["Name"]
        yield "Update" if name in before else "Create", ssm._parameters[name]
    elif action in {"DeleteParameter", "DeleteParameters"}:
        yield from (("Delete", record) for name, record in before.items() if name not in ssm._parameters)


def _event(operation: str, record: dict[str, Any]) -> dict[str, Any]:
    """The event, see https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html ."""
    detail = {"operation": operation, "name": record["Name"], "type": record["Type"]}
    if record.get("Description"):
        detail["description"] = record["Description"]
    return {
        "source": "aws.ssm",
        "detail-type": "Parameter Store Change",
        "resources": [record["ARN"]],
        "detail": detail,
    }
