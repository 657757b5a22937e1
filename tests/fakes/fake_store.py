"""Parameter Store in a dict, holding the same text as the real one."""

from __future__ import annotations

from etcd_aws_cluster.core.errors import RecordError
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record

from .failures import Failures


class FakeStore:
    """The port RecordStore.

    Calls that can be made to fail: ``read``, ``claim`` (creates the claim), ``install`` (makes the claimed record the
    stored one; the second half of ``claim()``), ``write`` and ``write_initial_cluster``.

    Attributes:
        parameters: By name, without the prefix: ``record``, ``initial-cluster``, ``generations/1``.
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
            if name.startswith(prefix)
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
        with self._failures.during("claim"):
            claimed = Record.from_json(self.parameters.setdefault(f"generations/{record.generation}", record.to_json()))
        with self._failures.during("install"):
            stored = self.record
            if stored and stored.generation >= claimed.generation:
                return stored
            self.parameters["record"] = claimed.to_json()
        return claimed

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
