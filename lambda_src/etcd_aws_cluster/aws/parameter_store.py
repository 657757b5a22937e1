"""The record and the plain list in SSM Parameter Store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..core.errors import AwsError, RecordError
from ..core.ports import Stored
from ..core.record import Record
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
        name = f"{self._prefix}/generations/{record.generation}"
        claimed = record if self._create(name, record.to_json()) else self._get_record(name)
        return self._install(claimed)

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

    def _install(self, claimed: Record) -> Record:
        """Make the claimed record the stored one, unless one of its generation or a later one is there."""
        if self._create(self._record_name, claimed.to_json()):
            return claimed
        stored = self._get_record(self._record_name)
        if stored.generation >= claimed.generation:
            return stored
        self._overwrite(self._record_name, claimed.to_json())
        return claimed

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
            raise AwsError(f"GetParameters does not find {name}, which PutParameter says exists")
        return _parse(name, text)


def _parse(name: str, text: str) -> Record:
    try:
        return Record.from_json(text)
    except RecordError as error:
        raise RecordError(f"parameter {name}: {error}") from error
