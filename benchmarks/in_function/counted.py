"""Runs the real function and counts what one settled tick asks: ``counted.py EVENT.json ANSWER.json``."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    """Count calls and the bytes of their answers in the third tick, of AWS and of etcd."""
    counts = {"aws": 0, "etcd": 0, "aws_bytes": 0, "etcd_bytes": 0}
    aws_port = urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
    answered = http.client.HTTPConnection.getresponse

    def count(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        response = answered(connection)
        whom = "aws" if connection.port == aws_port else "etcd"
        counts[whom] += 1
        counts[f"{whom}_bytes"] += int(response.headers.get("Content-Length", 0))
        return response

    patched: Any = http.client.HTTPConnection
    patched.getresponse = count
    from etcd_aws_cluster import handler  # noqa: PLC0415 - after the patch

    event = json.loads(Path(sys.argv[1]).read_text())
    context = importlib.import_module("ours").Context()  # beside this script
    for _ in range(3):
        counts.update(dict.fromkeys(counts, 0))
        handler.handle(event, context)
    Path(sys.argv[2]).write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
