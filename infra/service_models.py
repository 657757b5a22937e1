"""What botocore has to know of AWS for the calls that the function makes, and nothing else (docs/decisions/0020).

EC2's model alone takes longer to read than everything else that a cold start does.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

_MODEL = "service-2.json"
_ENDPOINTS = "endpoints.json"


def write_models(data: Path, operations: Mapping[str, Collection[str]], folder: Path) -> None:
    """Write a folder that botocore takes for its own data, of a few operations.

    Args:
        data: botocore's folder of data.
        operations: names of operations by service.
        folder: to be written.

    Raises:
        KeyError: a service has no such operation.
        FileNotFoundError: there is no such service.
    """
    prefixes = set()
    for service, names in operations.items():
        newest = max(data.glob(f"{service}/*/{_MODEL}*"), default=data / service / _MODEL).parent
        model = trimmed(_read(newest / _MODEL), names)
        prefixes.add(model["metadata"]["endpointPrefix"])
        _write(folder / service / newest.name / _MODEL, model)
    _write(folder / _ENDPOINTS, endpoints_of(_read(data / _ENDPOINTS), prefixes))


def trimmed(model: Mapping[str, Any], operations: Collection[str]) -> dict[str, Any]:
    """Return a service's model with these operations, the shapes that they lead to, and no documentation."""
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    todo = list(_references(kept))
    while todo:
        name = todo.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            todo += _references(shapes[name])
    undocumented: dict[str, Any] = _without_documentation({**model, "operations": kept, "shapes": shapes})
    return undocumented


def endpoints_of(endpoints: Mapping[str, Any], prefixes: Collection[str]) -> dict[str, Any]:
    """Return the regions and endpoints of botocore with only these services."""
    partitions = [
        {**each, "services": {name: told for name, told in each["services"].items() if name in prefixes}}
        for each in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _references(told: object) -> Iterator[str]:
    """Yield the shapes that a part of a model refers to."""
    if isinstance(told, dict):
        if isinstance(told.get("shape"), str):
            yield told["shape"]
        for each in told.values():
            yield from _references(each)
    elif isinstance(told, list):
        for each in told:
            yield from _references(each)


def _without_documentation(told: Any) -> Any:  # noqa: ANN401 - any part of a model
    if isinstance(told, dict):
        return {
            name: _without_documentation(each)
            for name, each in told.items()
            if not (name == "documentation" and isinstance(each, str))
        }
    return [_without_documentation(each) for each in told] if isinstance(told, list) else told


def _read(file: Path) -> Any:  # noqa: ANN401 - as it is
    packed = file.with_name(f"{file.name}.gz")
    return json.loads(gzip.decompress(packed.read_bytes()) if packed.exists() else file.read_bytes())


def _write(file: Path, told: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, separators=(",", ":")), encoding="utf-8")
