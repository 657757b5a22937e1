"""How long a settled tick takes, warm: ``python -m benchmarks.warm_ticks``, from the root of the repository.

Three members with https in a lab; the function is told to look 40 times, and its log tells how long each run took. The
local AWS answers in a millisecond or two: on AWS each of a tick's calls takes longer than here.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.figures import Figures
from lab import Lab

_TICKS: Final = 40
_APART_S: Final = 1.5


def main() -> int:
    """Measure and print; returns the exit code."""
    with tempfile.TemporaryDirectory() as directory, Lab(Path(directory)) as lab:
        lab.deploy({"etcd:size": "3"})
        lab.wait_in_service(3, 120)
        time.sleep(10)
        since_ms = int(time.time() * 1000)
        for _ in range(_TICKS):
            lab.tick()
            time.sleep(_APART_S)
        log = "\n".join(map(str, lab.function_log(since_ms=since_ms)))
    took = [float(ms) / 1000 for ms in re.findall(r"Billed Duration: (\d+) ms", log)]
    print(f"seconds of a settled tick, warm: {Figures.of(took):.3f}, {len(took)} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
