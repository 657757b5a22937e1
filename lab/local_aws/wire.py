"""AWS's query protocol, driven by botocore's own model of a service.

Only members that the model knows are read and written: nothing private can leak into an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.model

if TYPE_CHECKING:
    from collections.abc import Mapping


class QueryProtocol:
    """Reads requests and writes answers of one service.

    Args:
        service: botocore's name of the service, for example ``autoscaling``.
    """

    def __init__(self, service: str) -> None:
        loaded = botocore.loaders.Loader().load_service_model(service, "service-2")
        self._model = botocore.model.ServiceModel(loaded, service)
        self._namespace = self._model.metadata["xmlNamespace"]

    def read(self, operation: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The request's members, typed.

        Raises:
            KeyError: a required member is missing; its argument is the member's name.
        """
        shape = self._model.operation_model(operation).input_shape
        request = _read_structure(shape, parameters, "") if shape else {}
        for required in shape.required_members if shape else []:
            if required not in request:
                raise KeyError(required)
        return request

    def typed(self, operation: str, values: dict[str, Any]) -> dict[str, Any]:
        """A template's values as the operation's members: strings become numbers and booleans, unknown ones go."""
        shape = self._model.operation_model(operation).input_shape
        return dict(_typed(shape, values)) if shape else {}

    def answer(self, operation: str, response: dict[str, Any], request_id: str) -> bytes:
        """The answer of an operation as XML."""
        shape = self._model.operation_model(operation).output_shape
        inner = _write(shape, response) if shape else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><{operation}Response xmlns="{self._namespace}">'
            f"<{operation}Result>{inner}</{operation}Result>"
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
        ).encode()

    def error(self, code: str, message: str, request_id: str, *, sender: bool = True) -> bytes:
        """An error as XML."""
        return (
            f'<ErrorResponse xmlns="{self._namespace}"><Error><Type>{"Sender" if sender else "Receiver"}</Type>'
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        ).encode()


_CONVERT: Final[dict[str, Callable[[str], Any]]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": lambda text: text.lower() == "true",
}


def _typed(shape: Any, value: Any) -> Any:  # noqa: ANN401  # botocore's shapes and values
    if shape.type_name == "structure":
        return {name: _typed(shape.members[name], each) for name, each in value.items() if name in shape.members}
    if shape.type_name == "list":
        return [_typed(shape.member, each) for each in value]
    return _CONVERT.get(shape.type_name, str)(str(value))


def _read(shape: Any, parameters: Mapping[str, str], prefix: str) -> Any:  # noqa: ANN401  # botocore's shapes and values
    match shape.type_name:
        case "structure":
            return _read_structure(shape, parameters, prefix + ".") or None
        case "list":
            return _read_list(shape, parameters, prefix)
        case "map":
            return None
    text = parameters.get(prefix)
    if text is None:
        return None
    return _CONVERT.get(shape.type_name, str)(text)


def _read_structure(shape: Any, parameters: Mapping[str, str], prefix: str) -> dict[str, Any]:  # noqa: ANN401
    members = ((name, _read(member, parameters, prefix + name)) for name, member in shape.members.items())
    return {name: value for name, value in members if value is not None}


def _read_list(shape: Any, parameters: Mapping[str, str], prefix: str) -> list[Any] | None:  # noqa: ANN401
    items: list[Any] = []
    while True:
        stem = f"{prefix}.member.{len(items) + 1}"
        if stem not in parameters and not any(name.startswith(stem + ".") for name in parameters):
            return items or None
        items.append(_read(shape.member, parameters, stem))


def _write(shape: Any, value: Any) -> str:  # noqa: ANN401
    match shape.type_name:
        case "structure":
            known = ((name, member) for name, member in shape.members.items() if value.get(name) is not None)
            return "".join(f"<{name}>{_write(member, value[name])}</{name}>" for name, member in known)
        case "list":
            return "".join(f"<member>{_write(shape.member, item)}</member>" for item in value)
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return datetime.fromtimestamp(float(value), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return escape(str(value))
