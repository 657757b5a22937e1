"""Several labs side by side, each in a process of its own, that share out the seeds."""

from __future__ import annotations

import multiprocessing
import queue
import time
from typing import TYPE_CHECKING, Any, Final

from lab import processes
from lab.torture.ground import Ground, own_folder
from lab.torture.schedule import Schedule
from lab.torture.trial import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.process import BaseProcess

_LONGEST_S: Final = 420.0  # of one seed with the start of a lab: the worker is stuck, and is replaced
_LOOK_S: Final = 1.0
_END_S: Final = 30.0


def play(seeds: Sequence[int], labs: int, *, keep_all: bool = False) -> Iterator[Result]:
    """Play the seeds, and yield what each came to, in the order in which they end.

    Args:
        seeds: which.
        labs: how many labs run at once.
        keep_all: keep the logs of seeds that passed, too.
    """
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    waiting = list(reversed(seeds))
    workers = {number: _Worker(context, number, told, keep_all=keep_all) for number in range(min(labs, len(seeds)))}
    try:
        for worker in workers.values():
            worker.give(waiting)
        left = len(seeds)
        while left:
            try:
                number, result = told.get(timeout=_LOOK_S)
            except queue.Empty:
                number, result = next(((n, w.gave_up()) for n, w in workers.items() if w.is_stuck()), (-1, None))
            if result is None:
                continue
            left -= 1
            if not workers[number].process.is_alive():
                workers[number] = _Worker(context, number, told, keep_all=keep_all)
            workers[number].give(waiting)
            yield result
    finally:
        for worker in workers.values():
            worker.end()


class _Worker:
    """A process with a lab."""

    def __init__(self, context: Any, number: int, told: Any, *, keep_all: bool) -> None:  # noqa: ANN401  # of multiprocessing
        self._seeds = context.Queue()
        self._seed: int | None = None
        self._since = 0.0
        self.process: BaseProcess = context.Process(
            target=_work, args=(number, self._seeds, told), kwargs={"keep_all": keep_all}, daemon=True
        )
        self.process.start()

    def give(self, waiting: list[int]) -> None:
        self._seed, self._since = (waiting.pop() if waiting else None), time.monotonic()
        self._seeds.put(self._seed)

    def is_stuck(self) -> bool:
        if self._seed is None:
            return False
        return not self.process.is_alive() or time.monotonic() - self._since > _LONGEST_S

    def gave_up(self) -> Result:
        """The result of a seed whose process ended or hangs; the process and its lab are gone then."""
        seed = self._seed or 0
        ended = f"ended with {self.process.exitcode}" if not self.process.is_alive() else f"hung for {_LONGEST_S:g} s"
        self.process.kill()
        self.process.join()
        return Result(seed, Schedule.of(seed).size, problems=[f"runner: the process of this lab {ended}"])

    def end(self) -> None:
        if self.process.is_alive():
            self._seeds.put(None)
            self.process.join(_END_S)
        self.process.kill()
        self.process.join()


def _work(number: int, seeds: Any, told: Any, *, keep_all: bool) -> None:  # noqa: ANN401  # queues
    processes.dies_with_parent()
    with own_folder() as folder, Ground(folder, keep_all=keep_all) as ground:
        while (seed := seeds.get()) is not None:
            try:
                result = ground.play(seed)
            except Exception as error:  # noqa: BLE001  # the next seed gets a new lab
                result = Result(seed, Schedule.of(seed).size, problems=[f"runner: {type(error).__name__}: {error}"])
            told.put((number, result))
