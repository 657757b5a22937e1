"""Parameter Store in a dict, holding the same text as the real one."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from dataclasses import replace

from etcd_aws_cluster.core.errors import AwsError, RecordError
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record, RecordState

from .failures import Failures

OUTCOME = "/outcome"


class Parameters(UserDict[str, str]):
    """Texts by name; what was written to a name before is kept in ``versions``, oldest first."""

    def __init__(self) -> None:
        self.versions: dict[str, list[str]] = {}
        super().__init__()

    def __setitem__(self, name: str, text: str) -> None:
        self.versions.setdefault(name, []).append(text)
        super().__setitem__(name, text)

    def __delitem__(self, name: str) -> None:
        del self.versions[name]
        super().__delitem__(name)


class FakeStore:
    """The port RecordStore.

    Calls that can be made to fail: ``read``, ``claim`` (creates the claim), ``conclude`` (creates the outcome),
    ``install`` (makes the claimed record or the outcome the stored one; the second half of both), ``write`` and
    ``write_initial_cluster``.

    Attributes:
        parameters: By name, without the prefix: ``record``, ``initial-cluster``, ``generations/1``,
            ``generations/1/outcome``.
    """

    def __init__(self) -> None:
        self.parameters = Parameters()
        self._failures = Failures()
        self.fail_next = self._failures.fail_next
        self.calls = self._failures.calls

    @property
    def record(self) -> Record | None:
        """The stored record: the newest that is not void."""
        return self._that_counts()[0]

    @property
    def claims(self) -> dict[int, Record]:
        """The claimed records by generation."""
        prefix = "generations/"
        return {
            int(name.removeprefix(prefix)): Record.from_json(text)
            for name, text in self.parameters.items()
            if name.startswith(prefix) and not name.endswith(OUTCOME)
        }

    def read(self) -> Stored:
        """Return what is stored."""
        with self._failures.during("read"):
            initial_cluster = self.parameters.get("initial-cluster")
            try:
                record, is_covered = self._that_counts()
            except RecordError as error:
                return Stored(record=None, problem=f"parameter record: {error}", initial_cluster=initial_cluster)
            return Stored(record=record, is_covered=is_covered, initial_cluster=initial_cluster)

    def claim(self, record: Record) -> Record:
        """Create the claim, then make the claimed record the stored one unless that is of the same age or newer."""
        claimed = self.create_once("claim", f"generations/{record.generation}", record)
        return self.install(claimed, unless=lambda stored: stored.generation >= claimed.generation)

    def conclude(self, record: Record) -> Record:
        """Create the outcome, then make it the stored record unless that does not form any more."""
        outcome = self.create_once("conclude", f"generations/{record.generation}{OUTCOME}", record)
        if self.record is None:
            raise AwsError("there is no record")
        forming = (outcome.generation, RecordState.NEW)
        return self.install(outcome, unless=lambda stored: (stored.generation, stored.state) != forming)

    def create_once(self, call: str, name: str, record: Record) -> Record:
        """Return what the parameter holds for good: the given record, or that of whoever came first."""
        with self._failures.during(call):
            return Record.from_json(self.parameters.setdefault(name, record.to_json()))

    def install(self, record: Record, *, unless: Callable[[Record], bool]) -> Record:
        """Make a record the stored one, unless the stored one has gone on."""
        with self._failures.during("install"):
            stored = self.record
            if stored and unless(stored):
                return stored
            return self._put(replace(record, follows=stored.follows if stored else 0))

    def write(self, record: Record) -> Record:
        """Overwrite the record that the given one follows."""
        with self._failures.during("write"):
            return self._put(record)

    def write_initial_cluster(self, text: str) -> None:
        """Overwrite the plain list."""
        if not text:
            raise ValueError("initial-cluster cannot be empty, expected at least one name=url")
        with self._failures.during("write_initial_cluster"):
            self.parameters["initial-cluster"] = text

    def _put(self, record: Record) -> Record:
        self.parameters["record"] = record.to_json()
        version = len(self.parameters.versions["record"])
        if record.follows not in {None, version - 1}:
            raise AwsError("it came too late")
        return replace(record, follows=version)

    def _that_counts(self) -> tuple[Record | None, bool]:
        """Return the newest record that is not void, and whether a void one lies over it."""
        texts = self.parameters.versions.get("record", [])
        for version in range(len(texts), 0, -1):
            record = Record.from_json(texts[version - 1])
            if record.follows in {None, version - 1}:
                return replace(record, follows=len(texts)), version < len(texts)
        if texts:
            raise RecordError("all of them are void")
        return None, False
