"""Runs the real function as Lambda would, and tells what each stage took: ``ours.py EVENT.json ANSWER.json TICKS``.

Stages add up: the libraries are imported before the handler imports them, so that each is seen by itself.
"""

import time

STARTED_S = time.process_time()

import importlib  # noqa: E402 - what is measured begins with the first import
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402


class Context:
    """What Lambda gives beside the event."""

    function_name = "etcd-controller"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:etcd-controller"
    aws_request_id = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return 60_000


def stages() -> dict[str, tuple[str, ...]]:
    """Return what is imported, in turn: that of certificates only where there are any."""
    pki = os.environ.get("ETCD_PKI", "off") != "off"
    return {
        "boto3": ("boto3.session", "botocore.config"),
        "HTTP to etcd": ("requests",),
        "Powertools, X-Ray": (
            "aws_lambda_powertools",
            "aws_lambda_powertools.utilities.batch",
            "aws_lambda_powertools.utilities.data_classes",
            "aws_xray_sdk.core",
            "aws_xray_sdk.ext.botocore.patch",
        ),
        "cryptography": ("cryptography.x509", "cryptography.hazmat.primitives.asymmetric.ec") if pki else (),
        "our modules": ("etcd_aws_cluster.entry", *(("etcd_aws_cluster.pki.desk",) if pki else ())),
    }


def main() -> None:
    """Import, handle the event once, then so many times more; write CPU seconds, and wall seconds of the latter."""
    event, answer, ticks = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    marks = {"Python": STARTED_S}
    with importlib.import_module("etcd_aws_cluster.collector").nothing_is_garbage():  # as the entry does
        for stage, modules in stages().items():
            for module in modules:
                importlib.import_module(module)
            marks[stage] = time.process_time()
    handler = importlib.import_module("etcd_aws_cluster.handler")
    handler.wiring.controller()
    marks["clients"] = time.process_time()
    message = json.loads(event.read_text())
    handler.handle(message, Context())
    marks["first tick"] = time.process_time()
    later = []
    for _ in range(ticks):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        handler.handle(message, Context())
        later.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    answer.write_text(json.dumps({"marks": marks, "ticks": later}))


if __name__ == "__main__":
    main()
    os._exit(0)  # Lambda does not end a process in order, so that is not part of what is measured
