"""Makes the calls of a settled tick with the libraries alone: ``bare.py ASKED.json ANSWER.json TICKS``.

``ASKED.json`` has ``group``, ``parameters``, ``path`` (of the requests for certificates, or empty), ``members`` (client
URLs) and ``tls`` (files of CA, certificate and key, or empty). One session a member, opened anew in each tick, as
between two runs of a function no connection lasts.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests


def main() -> None:
    """Make them once, then so many times more; write CPU and wall seconds of the latter."""
    asked, ticks = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[3])
    clients = importlib.import_module("needs").clients()  # beside this script
    tick(asked, clients)
    requests_for_certificates(asked, clients)  # ours looks for them at its first tick, and then each five minutes
    later = []
    for _ in range(ticks):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        tick(asked, clients)
        later.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    Path(sys.argv[2]).write_text(json.dumps({"ticks": later}))


def tick(asked: dict[str, Any], clients: dict[str, Any]) -> None:
    """Make the calls of one tick."""
    clients["ssm"].get_parameters(Names=asked["parameters"])
    group = clients["autoscaling"].describe_auto_scaling_groups(AutoScalingGroupNames=[asked["group"]])
    ids = [each["InstanceId"] for each in group["AutoScalingGroups"][0]["Instances"]]
    pages = clients["ec2"].get_paginator("describe_instances")
    list(pages.paginate(Filters=[{"Name": "instance-id", "Values": ids}]))
    with ThreadPoolExecutor(max_workers=32) as pool:
        list(pool.map(lambda url: ask(url, asked["tls"]), asked["members"]))


def requests_for_certificates(asked: dict[str, Any], clients: dict[str, Any]) -> None:
    """Look for them, where members have certificates."""
    for who in ("certificate-requests", "client-certificate-requests") if asked["path"] else ():
        requested = clients["ssm"].get_paginator("get_parameters_by_path")
        list(requested.paginate(Path=f"{asked['path']}/{who}"))


def ask(url: str, tls: dict[str, str]) -> None:
    """Ask one member who it is and for a list that a quorum stands behind."""
    with requests.Session() as session:
        session.trust_env = False
        if tls:
            session.verify, session.cert = tls["ca"], (tls["certificate"], tls["key"])
        session.get(f"{url}/version", timeout=(1, 2)).json()
        session.post(f"{url}/v3/maintenance/status", json={}, timeout=(1, 2)).json()
        session.post(f"{url}/v3/cluster/member/list", json={"linearizable": True}, timeout=(1, 2)).json()


if __name__ == "__main__":
    main()
    os._exit(0)  # as ours.py
