"""CloudFormation's custom resource protocol: one PUT of a small JSON document, to an address in the request.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

_MOST_REASON = 2000
"""Bytes; the whole answer may have 4096."""
_TIMEOUT_S = 10
_TRIES = Retry(total=4, backoff_factor=1, status_forcelist=(500, 502, 503, 504), allowed_methods=["PUT"])


def answer(request: Mapping[str, Any], *, physical_id: str, problem: str = "") -> None:
    """Tell CloudFormation that the request was done, or with a problem that it was not.

    Raises:
        requests.RequestException: It could not be told, several times.
    """
    body = {
        "Status": "FAILED" if problem else "SUCCESS",
        "Reason": problem.encode()[:_MOST_REASON].decode(errors="ignore"),
        "PhysicalResourceId": physical_id,
        **{name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    with requests.Session() as session:
        session.trust_env = False  # nobody's proxy or password
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=_TRIES))
        # The address is signed without a content type.
        done = session.put(
            request["ResponseURL"], data=json.dumps(body), headers={"Content-Type": ""}, timeout=_TIMEOUT_S
        )
        done.raise_for_status()
