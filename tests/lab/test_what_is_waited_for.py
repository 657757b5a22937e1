"""What a wait that was in vain says."""

from __future__ import annotations

import json

from lab.observed import last_decision


def test_it_tells_what_the_controller_decided_last_and_what_it_could_not_read() -> None:
    log = [
        json.dumps({"message": "decision", "timestamp": "13:27:24", "kind": "Settled", "reason": "SETTLED"}),
        json.dumps(
            {
                "message": "decision",
                "timestamp": "13:27:51",
                "kind": "Wait",
                "reason": "LEARNER_CATCHING_UP",
                "detail": "eed56aa7a37ba6cc",
                "problems": {"https://127.64.64.6:2379": "etcd does not let root in"},
            }
        ),
        json.dumps({"message": "run", "decision": "Wait"}),
        "END RequestId: 79087b94",
    ]
    assert last_decision(log) == (
        "13:27:51 Wait LEARNER_CATCHING_UP eed56aa7a37ba6cc; "
        "it could not read {'https://127.64.64.6:2379': 'etcd does not let root in'}"
    )
    assert last_decision(log[:1]) == "13:27:24 Settled SETTLED "


def test_without_any_it_says_so() -> None:
    assert last_decision(["START RequestId: 79087b94", "{}"]) == "none"
