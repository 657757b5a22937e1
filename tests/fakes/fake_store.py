"""Parameter Store in a dict, holding the same text as the real one."""

from __future__ import annotations

from collections.abc import Callable

from etcd_aws_cluster.core.errors import AwsError, RecordError
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record, RecordState

from .failures import Failures

OUTCOME = "/outcome"


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
        self.parameters: dict[str, str] = {}
        self._failures = Failures()
        self.fail_next = self._failures.fail_next
        self.calls = self._failures.calls

    @property
    def record(self) -> Record | None:
        """The stored record."""
        text = self.parameters.get("record")
        return None if text is None else Record.from_json(text)

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
                return Stored(record=self.record, initial_cluster=initial_cluster)
            except RecordError as error:
                return Stored(record=None, problem=f"parameter record: {error}", initial_cluster=initial_cluster)

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
            self.parameters["record"] = record.to_json()
        return record

    def write(self, record: Record) -> None:
        """Overwrite the record."""
        with self._failures.during("write"):
            self.parameters["record"] = record.to_json()

    def write_initial_cluster(self, text: str) -> None:
        """Overwrite the plain list."""
        if not text:
            raise ValueError("initial-cluster cannot be empty, expected at least one name=url")
        with self._failures.during("write_initial_cluster"):
            self.parameters["initial-cluster"] = text
