"""Many sequences side by side: etcd mostly waits for its own 5 s."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.sequences.real import WAIT_S, DifferenceError, RealCluster
from tests.contract.sequences.script import Script, write
from tests.real_etcd import RealEtcd, find_binary

CASES = ("v3 3.4", "v3 3.5", "v3 3.6", "v2 3.4", "v2 3.5")
"""The API that is spoken and the etcd that it is spoken to; 3.6 has no v2 API any more."""


@dataclass
class Result:
    """What came of some sequences with one etcd.

    Attributes:
        operations: How many were compared.
        broader: How often the explorer's etcd took what etcd did not, being allowed to.
        waits: How often an answer that etcd gives for a time only was asked for again, by reason.
        differences: In words, with the seed.
    """

    sequences: int = 0
    operations: int = 0
    broader: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Count another's in."""
        self.sequences += other.sequences
        self.operations += other.operations
        self.broader += other.broader
        self.waits += other.waits
        self.differences += other.differences


def play(case: str, script: Script, what: str = "", *, last_wait_s: float = WAIT_S) -> Result:
    """Have a real cluster go through a script.

    Args:
        case: The API and the etcd, see ``CASES``.
        script: What is done, and what comes of it.
        what: The script's name, for messages.
        last_wait_s: For what must become true after its last step.

    Raises:
        NotAtHandError: That etcd is not here.
    """
    api, _, version = case.partition(" ")
    binary = find_binary(version)
    with tempfile.TemporaryDirectory(prefix="etcd-") as directory:
        flags = ["--enable-v2"] if version < "3.6" else []
        cluster = RealCluster(RealEtcd(binary, Path(directory), flags), is_v2=api == "v2", last_wait_s=last_wait_s)
        result = Result(sequences=1, broader=script.broader)
        try:
            result.operations = cluster.play(script)
        except DifferenceError as error:
            result.differences.append(f"{case} {what}: {error}")
        finally:
            cluster.close()
        result.waits = cluster.waits
    return result


def play_seed(case: str, seed: int) -> Result:
    """Have a real cluster go through the sequence of a seed."""
    return play(case, write(case, seed), f"seed {seed}")


Submit = Callable[[Callable[[], Result]], Future[Result]]


@contextmanager
def side_by_side(workers: int) -> Iterator[Submit]:
    """Yield what takes runs, so many at a time; those not begun in the end are dropped."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool.submit
        finally:
            pool.shutdown(cancel_futures=True)
