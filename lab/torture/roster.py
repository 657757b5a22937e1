"""The instances of one seed, in launch order, followed through the journal: no call to AWS that a fault could hit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from lab.control import ControlError

if TYPE_CHECKING:
    from lab import Lab

_WAIT_S: Final = 1.0
_OUT: Final = ("Terminating:Proceed", "Terminated")


class Roster:
    """Follows from a thread of its own until :meth:`stop`.

    Args:
        lab: the lab.
        after: number of the last journal entry before this seed.
    """

    def __init__(self, lab: Lab, after: int) -> None:
        self._lab = lab
        self._after = after
        self._states: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._lost: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="roster", daemon=True)
        self.journal: list[dict[str, Any]] = []
        self.serves = threading.Event()
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._ended.set()
        self._thread.join()

    def all(self) -> list[str]:
        """All instances there ever were, in launch order."""
        return list(self._states)

    def present(self) -> list[str]:
        """Those whose power is on and that nobody has let go yet, in launch order."""
        return [each for each, state in dict(self._states).items() if state not in _OUT and each not in self._lost]

    def in_service(self) -> list[str]:
        """Those in service."""
        return [each for each, state in dict(self._states).items() if state == "InService" and each not in self._lost]

    def lost(self, instance_id: str) -> None:
        """Take note that an instance's power was cut."""
        self._lost.add(instance_id)

    def urls(self) -> list[str]:
        """The client URLs of those present."""
        return [f"http://{self._addresses[each]}:2379" for each in self.present() if each in self._addresses]

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                entries = self._lab.transitions(after=self._after, wait_s=_WAIT_S)
                self._take(entries)
            except (ControlError, OSError):
                self._ended.wait(_WAIT_S)

    def _take(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            self._after = entry["seq"]
            self.journal.append(entry)
            if entry["kind"] != "lifecycle" or entry["group"] != self._lab.state.cluster:
                continue
            self._states[entry["instance"]] = entry["to"]
            if entry["to"] == "InService":
                self.serves.set()
        if set(self._states) - set(self._addresses):
            self._addresses |= {each["instance_id"]: each["address"] for each in self._lab.hosts() if each["address"]}
