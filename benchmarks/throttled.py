"""Parameter Store's limit, and many proxies that boot against it, in virtual time; the loop is the agent's own."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.virtual_time import VirtualTime
from etcd_aws_agent.errors import ExitCode, ThrottledError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.run import Agent
from etcd_aws_agent.settings import Settings

LIMIT_PER_S: Final = 40.0
"""GetParameter of a whole account in one region, standard throughput:
https://docs.aws.amazon.com/general/latest/gr/ssm.html."""

BURST: Final = 40.0
"""A second's worth may come at once; AWS does not tell how many."""

ROUND_TRIP_S: Final = 0.02
_DEADLINE_S: Final = 24 * 3600
_MEMBERS: Final = 3


class Bucket:
    """Tokens that trickle in; every served request takes one."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def takes(self, now: float) -> bool:
        """Tell whether a request of this moment is served; moments only go forward."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate_per_s)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


@dataclass
class ThrottledStore:
    """GetParameter: a record that is there from some moment on, and no more answers than the limit.

    Attributes:
        sent: the moment at which each request arrived.
        served: of those, the ones that were answered, with the record or with "there is none".
    """

    time: VirtualTime
    record: str
    there_at: float
    bucket: Bucket = field(default_factory=lambda: Bucket(LIMIT_PER_S, BURST))
    sent: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)

    def newest(self, name: str) -> tuple[str, int] | None:
        """Return the record and its version, None if it is not there yet; raises ThrottledError."""
        self.time.sleep(ROUND_TRIP_S / 2)
        now = self.time.monotonic()
        self.sent.append(now)
        is_served = self.bucket.takes(now)
        if is_served:
            self.served.append(now)
        self.time.sleep(ROUND_TRIP_S / 2)
        if not is_served:
            raise ThrottledError(f"ssm:GetParameter {name}: 400 ThrottlingException Rate exceeded")
        return (self.record, 1) if now >= self.there_at else None


class _NoGroups:
    def group_named(self, tag_value: str) -> str:
        raise LookupError(tag_value)


@dataclass(frozen=True)
class Outcome:
    """What came of it, in virtual seconds.

    Attributes:
        done: when each proxy had written its file, the first one first.
        sent: when requests arrived.
        served: when such arrived that were answered.
    """

    done: tuple[float, ...]
    sent: tuple[float, ...]
    served: tuple[float, ...]

    def busiest(self, after_s: float) -> int:
        """Return the requests of the busiest whole second that begins at or after a moment; 0 if there were none."""
        return max((count for second, count in per_second(self.sent).items() if second >= after_s), default=0)

    def rate(self, from_s: float, until_s: float) -> float:
        """Return the requests a second between two moments."""
        return sum(from_s <= each < until_s for each in self.sent) / (until_s - from_s)


def per_second(moments: Sequence[float]) -> dict[int, int]:
    """Return how many there are in each second, the empty ones in between too."""
    counts = Counter(int(each) for each in moments)
    return {second: counts[second] for second in range(max(counts, default=-1) + 1)}


def boot(count: int, *, within_s: float, there_at: float, seed: int, agent: Callable[..., Agent] = Agent) -> Outcome:
    """Boot so many proxies and wait until each has its file.

    Args:
        count: of proxies.
        within_s: the first ones boot at 0, all of them by then; 0 is all at once.
        there_at: when the record is published.
        seed: of everything random; the same one gives the same outcome.
        agent: the agent's loop, or one with other pauses.

    Raises:
        RuntimeError: one of them gave up.
    """
    time = VirtualTime()
    store = ThrottledStore(time, _record(), there_at)
    done: list[float] = []
    before = random.getstate()
    random.seed(seed)
    try:
        with tempfile.TemporaryDirectory() as folder:

            def start(number: int) -> None:
                # Its first request is made here, at its boot: the agent's own second is not counted before.
                one = agent(
                    settings=_settings(Path(folder), number),
                    identity=Identity(instance_id=f"i-{number:08x}", private_ip="10.0.0.4", region="us-east-1"),
                    parameters=store,
                    groups=_NoGroups(),
                    clock=time,
                    log=lambda _event, **_fields: None,
                )
                if one.run() is not ExitCode.OK:
                    raise RuntimeError(f"proxy {number} gave up")
                done.append(time.monotonic())

            moments = sorted(random.uniform(0.0, within_s) for _ in range(count))  # noqa: S311  # no secret
            time.run((moment, partial(start, number)) for number, moment in enumerate(moments))
    finally:
        random.setstate(before)
    return Outcome(tuple(sorted(done)), tuple(store.sent), tuple(store.served))


def _settings(folder: Path, number: int) -> Settings:
    return Settings.from_environ(
        {
            "PROXY_ASG": "etcd",
            "AGENT_DEADLINE_S": str(_DEADLINE_S),
            "ETCD_DATA_DIR": str(folder / "none"),
            "ETCD_PEERS_FILE": str(folder / f"peers-{number}"),
        }
    )


def _record() -> str:
    members: list[dict[str, Any]] = [
        {
            "instance": f"i-0000000{number}",
            "id": f"{number + 1:x}",
            "name": f"i-0000000{number}",
            "peer_urls": [f"https://10.0.{number}.4:2380"],
            "client_urls": [f"https://10.0.{number}.4:2379"],
            "started": True,
            "learner": False,
            "life": f"{number + 1:x}",
        }
        for number in range(_MEMBERS)
    ]
    return json.dumps({"schema": 1, "token": "etcd-1a2b3c4d-g1", "state": "existing", "members": members})
