"""The record and the plain list in SSM Parameter Store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..core.errors import AwsError, RecordError
from ..core.ports import Stored
from ..core.record import Record, RecordState
from .errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterTypeDef


class SsmRecordStore:
    """The port RecordStore on Parameter Store, with standard parameters only.

    Parameter Store has no "write if unchanged", but it numbers what is written to a parameter one by one. So each
    record says which version it follows, and is void unless its own is the next one (docs/decisions/0022).
    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
    """

    def __init__(self, *, ssm: SSMClient, prefix: str) -> None:
        self._ssm = ssm
        self._prefix = prefix
        self._record_name = f"{prefix}/record"
        self._initial_cluster_name = f"{prefix}/initial-cluster"

    def read(self) -> Stored:
        """Return what is stored, in one call, and one more for each void record that lies over the one that counts.

        Raises:
            AwsError: A call failed.
        """
        found = self._get(self._record_name, self._initial_cluster_name)
        plain, newest = found.get(self._initial_cluster_name), found.get(self._record_name)
        stored = Stored(record=None, initial_cluster=plain["Value"] if plain else None)
        if newest is None:
            return stored
        try:
            record, is_covered = self._that_counts(newest)
        except RecordError as error:
            return replace(stored, problem=str(error))
        return replace(stored, record=record, is_covered=is_covered)

    def claim(self, record: Record) -> Record:
        """Create the claim of ``record.generation``, once for all (INV-1), and make the claimed record the stored one.

        Called again after any failure it goes on where it stopped.

        Returns:
            The record that is stored in the end: the given one, an earlier claimer's, or a later generation's.

        Raises:
            AwsError: A call failed.
            RecordError: An earlier claim or the stored record cannot be understood.
        """
        claimed = replace(self._create_once(f"{self._prefix}/generations/{record.generation}", record), follows=0)
        if self._create(self._record_name, claimed):
            return replace(claimed, follows=1)
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

    def write(self, record: Record) -> Record:
        """Overwrite the record that the given one follows.

        Returns:
            The record as it is stored; what is written next follows it.

        Raises:
            AwsError: The call failed, or the record has been written since, which makes this one void.
            RecordError: It does not fit.
        """
        version = self._overwrite(self._record_name, record.to_json())
        if _is_void(record, version):
            raise AwsError(f"PutParameter for {self._record_name} came too late: it has been written since")
        return replace(record, follows=version)

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
        return record if self._create(name, record) else _parse(self._get_only(name))

    def _install(self, record: Record, *, unless: Callable[[Record], bool]) -> Record:
        """Make a record the stored one, unless the stored one has gone on. Returns which it is."""
        stored, _ = self._that_counts(self._get_only(self._record_name))
        return stored if unless(stored) else self.write(replace(record, follows=stored.follows))

    def _that_counts(self, newest: ParameterTypeDef) -> tuple[Record, bool]:
        """Return the newest record that is not void, and whether a void one lies over it."""
        found = newest
        while _is_void(record := _parse(found), found["Version"]):
            if found["Version"] == 1:
                raise RecordError(f"parameter {self._record_name}: version 1 follows version {record.follows}")
            found = self._get_only(f"{self._record_name}:{found['Version'] - 1}")
        return replace(record, follows=newest["Version"]), found is not newest

    def _create(self, name: str, record: Record) -> bool:
        """Return whether the parameter was created; False if it was there."""
        with aws_call("PutParameter", name):
            try:
                text = record.to_json()
                self._ssm.put_parameter(Name=name, Value=text, Type="String", Tier="Standard", Overwrite=False)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ParameterAlreadyExists":
                    return False
                raise
        return True

    def _overwrite(self, name: str, value: str) -> int:
        """Return the version that the value got."""
        with aws_call("PutParameter", name):
            put = self._ssm.put_parameter(Name=name, Value=value, Type="String", Tier="Standard", Overwrite=True)
        return put["Version"]

    def _get(self, *names: str) -> dict[str, ParameterTypeDef]:
        with aws_call("GetParameters", ", ".join(names)):
            found = self._ssm.get_parameters(Names=list(names))["Parameters"]
        return {p["Name"]: p for p in found}

    def _get_only(self, name: str) -> ParameterTypeDef:
        """Return a parameter, or its version ``name:version``."""
        for found in self._get(name).values():
            return found
        raise AwsError(f"GetParameters does not find {name}, which ought to be there")


def _is_void(record: Record, version: int) -> bool:
    return record.follows not in {None, version - 1}


def _parse(parameter: ParameterTypeDef) -> Record:
    try:
        return Record.from_json(parameter["Value"])
    except RecordError as error:
        raise RecordError(f"parameter {parameter['Name']}{parameter.get('Selector', '')}: {error}") from error
