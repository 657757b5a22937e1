"""The record and the plain list in SSM Parameter Store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..core.errors import AwsError, RecordError
from ..core.ports import Stored
from ..core.record import Record, RecordState
from .errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient


class SsmRecordStore:
    """The port RecordStore on Parameter Store, with standard parameters only."""

    def __init__(self, *, ssm: SSMClient, prefix: str) -> None:
        self._ssm = ssm
        self._prefix = prefix
        self._record_name = f"{prefix}/record"
        self._initial_cluster_name = f"{prefix}/initial-cluster"

    def read(self) -> Stored:
        """Return what is stored, in one call.

        Raises:
            AwsError: The call failed.
        """
        values = self._get(self._record_name, self._initial_cluster_name)
        initial_cluster = values.get(self._initial_cluster_name)
        text = values.get(self._record_name)
        if text is None:
            return Stored(record=None, initial_cluster=initial_cluster)
        try:
            return Stored(record=_parse(self._record_name, text), initial_cluster=initial_cluster)
        except RecordError as error:
            return Stored(record=None, problem=str(error), initial_cluster=initial_cluster)

    def claim(self, record: Record) -> Record:
        """Create the claim of ``record.generation``, once for all (INV-1), and make the claimed record the stored one.

        Called again after any failure it goes on where it stopped.

        Returns:
            The record that is stored in the end: the given one, an earlier claimer's, or a later generation's.

        Raises:
            AwsError: A call failed.
            RecordError: An earlier claim or the stored record cannot be understood.
        """
        claimed = self._create_once(f"{self._prefix}/generations/{record.generation}", record)
        if self._create(self._record_name, claimed.to_json()):
            return claimed
        return self._install(claimed, unless=lambda stored: stored.generation >= claimed.generation)

    def conclude(self, record: Record) -> Record:
        """Create the outcome of ``record.generation``, once for all (INV-1), and make it the stored record.

        Only a record that is NEW, and of that generation, is overwritten. Called again after any failure it goes on
        where it stopped.

        Returns:
            The record that is stored in the end: the given one, an earlier caller's, or one that had gone on already.

        Raises:
            AwsError: A call failed, or no record is stored.
            RecordError: The outcome or the stored record cannot be understood.
        """
        outcome = self._create_once(f"{self._prefix}/generations/{record.generation}/outcome", record)
        forming = (outcome.generation, RecordState.NEW)
        return self._install(outcome, unless=lambda stored: (stored.generation, stored.state) != forming)

    def write(self, record: Record) -> None:
        """Overwrite the record.

        Raises:
            AwsError: The call failed.
            RecordError: It does not fit.
        """
        self._overwrite(self._record_name, record.to_json())

    def write_initial_cluster(self, text: str) -> None:
        """Overwrite the plain list.

        Raises:
            AwsError: The call failed.
            ValueError: The list is empty, which no parameter can be.
        """
        if not text:
            raise ValueError(f"{self._initial_cluster_name} cannot be empty, expected at least one name=url")
        self._overwrite(self._initial_cluster_name, text)

    def _create_once(self, name: str, record: Record) -> Record:
        """Return the record that the parameter holds for good: the given one, or that of whoever came first."""
        return record if self._create(name, record.to_json()) else self._get_record(name)

    def _install(self, record: Record, *, unless: Callable[[Record], bool]) -> Record:
        """Make a record the stored one, unless the stored one has gone on. Returns which it is."""
        stored = self._get_record(self._record_name)
        if unless(stored):
            return stored
        self._overwrite(self._record_name, record.to_json())
        return record

    def _create(self, name: str, value: str) -> bool:
        """Return whether the parameter was created; False if it was there."""
        with aws_call("PutParameter", name):
            try:
                self._ssm.put_parameter(Name=name, Value=value, Type="String", Tier="Standard", Overwrite=False)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ParameterAlreadyExists":
                    return False
                raise
        return True

    def _overwrite(self, name: str, value: str) -> None:
        with aws_call("PutParameter", name):
            self._ssm.put_parameter(Name=name, Value=value, Type="String", Tier="Standard", Overwrite=True)

    def _get(self, *names: str) -> dict[str, str]:
        with aws_call("GetParameters", ", ".join(names)):
            found = self._ssm.get_parameters(Names=list(names))["Parameters"]
        return {p["Name"]: p["Value"] for p in found}

    def _get_record(self, name: str) -> Record:
        text = self._get(name).get(name)
        if text is None:
            raise AwsError(f"GetParameters does not find {name}, which ought to be there")
        return _parse(name, text)


def _parse(name: str, text: str) -> Record:
    try:
        return Record.from_json(text)
    except RecordError as error:
        raise RecordError(f"parameter {name}: {error}") from error
