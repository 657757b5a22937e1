"""What is asked of Parameter Store, and what is made of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.stub import Stubber

from etcd_aws_cluster.aws.parameter_store import SsmRecordStore
from etcd_aws_cluster.core.errors import AwsError, RecordError
from etcd_aws_cluster.core.model import InstanceId
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record, RecordedMember, RecordState
from tests.unit.aws.stubs import ARN, SESSION, scripted

SSM = SESSION.client("ssm")
PREFIX = "/etcd-aws-cluster/etcd"
RECORD, LIST, CLAIM = f"{PREFIX}/record", f"{PREFIX}/initial-cluster", f"{PREFIX}/generations/1"
OUTCOME = f"{CLAIM}/outcome"


def a_record(*, generation: int = 1, instance: str = "i-0a", state: RecordState = RecordState.NEW) -> Record:
    member = RecordedMember(
        instance=InstanceId(instance),
        member_id=None,
        name="",
        peer_urls=("http://10.0.0.4:2380",),
        client_urls=("http://10.0.0.4:2379",),
        is_started=False,
        is_learner=False,
        life=f"g{generation}",
        since=1_700_000_000,
    )
    return Record(
        generation=generation,
        group_arn=ARN,
        token=f"etcd-0f2c8e9a-g{generation}",
        state=state,
        cluster_id=None,
        created_at=1_700_000_000,
        members=(member,),
    )


OURS, THEIRS = a_record(instance="i-0a"), a_record(instance="i-0b")
FORMED, RETIRED = a_record(state=RecordState.EXISTING), a_record(state=RecordState.RETIRED)


class Script:
    """Scripts Parameter Store's answers in the order in which they are expected to be asked for."""

    def __init__(self, stubber: Stubber) -> None:
        self._stubber = stubber
        self.fails = stubber.add_client_error

    def holds(self, *asked: str, **found: str) -> None:
        """Answer a read of the asked names, all in their first version; ``found`` by the last part of the name."""
        self.holds_version(1, *asked, **found)

    def holds_version(self, version: int, *asked: str, **found: str) -> None:
        """Answer a read of the asked names, all in that version."""
        parameters = [_parameter(name, found[key], version) for name in asked if (key := _key(name)) in found]
        missing = [name for name in asked if _key(name) not in found]
        answer = {"Parameters": parameters} | ({"InvalidParameters": missing} if missing else {})
        self._stubber.add_response("get_parameters", answer, {"Names": list(asked)})

    def takes(self, name: str, value: str, *, overwrite: bool, version: int = 2) -> None:
        """Take a creation, or a write as that version."""
        answer = {"Version": version if overwrite else 1}
        self._stubber.add_response("put_parameter", answer, _write(name, value, overwrite=overwrite))

    def has_already(self, name: str, value: str) -> None:
        """Refuse a creation."""
        self._stubber.add_client_error(
            "put_parameter",
            "ParameterAlreadyExists",
            "The parameter already exists.",
            expected_params=_write(name, value, overwrite=False),
        )


def _key(name: str) -> str:
    last = name.rpartition("/")[2].partition(":")[0].replace("-", "_")
    return f"claim_{last}" if last.isdigit() else last


def text(record: Record, *, follows: int) -> str:
    """Return a record as it is written over a version of the parameter; 0 is none."""
    return replace(record, follows=follows).to_json()


def _parameter(name: str, value: str, version: int) -> dict[str, object]:
    plain, _, asked = name.partition(":")
    return {"Name": plain, "Value": value, "Version": version} | ({"Selector": f":{asked}"} if asked else {})


def _write(name: str, value: str, *, overwrite: bool) -> dict[str, object]:
    return {"Name": name, "Value": value, "Type": "String", "Tier": "Standard", "Overwrite": overwrite}


@pytest.fixture
def ssm() -> Iterator[Script]:
    with scripted(SSM) as stubber:
        yield Script(stubber)


@pytest.fixture
def store() -> SsmRecordStore:
    return SsmRecordStore(ssm=SSM, prefix=PREFIX)


def test_nothing_is_stored_at_first(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds(RECORD, LIST)

    assert store.read() == Stored(record=None)


def test_record_and_list_are_read_in_one_call(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds(RECORD, LIST, record=OURS.to_json(), initial_cluster="i-0a=http://10.0.0.4:2380")

    assert store.read() == Stored(record=OURS, initial_cluster="i-0a=http://10.0.0.4:2380")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{", "is not JSON"),
        ("null", "has schema 'NoneType', expected 1"),
        ("{}", "has schema None, expected 1"),
        (json.dumps(json.loads(OURS.to_json()) | {"schema": 0}), "has schema 0, expected 1"),
        (json.dumps(json.loads(OURS.to_json()) | {"schema": 2}), "has schema 2, expected 1"),
        (json.dumps(json.loads(OURS.to_json()) | {"members": 7}), "missing or wrong field"),
        (json.dumps(json.loads(OURS.to_json()) | {"state": "odd"}), "missing or wrong field"),
    ],
)
def test_a_record_that_cannot_be_used_is_a_problem_that_names_its_parameter(
    ssm: Script, store: SsmRecordStore, value: str, problem: str
) -> None:
    ssm.holds(RECORD, LIST, record=value, initial_cluster="x=http://x:2380")

    stored = store.read()

    assert stored.record is None
    assert stored.problem.startswith(f"parameter {RECORD}: ")
    assert problem in stored.problem
    assert stored.initial_cluster == "x=http://x:2380"


def test_a_throttled_read_is_told_with_the_parameters(ssm: Script, store: SsmRecordStore) -> None:
    ssm.fails("get_parameters", "ThrottlingException", "Rate exceeded")

    with pytest.raises(AwsError, match=rf"^GetParameters for {RECORD}, {LIST} failed: ThrottlingException: Rate"):
        store.read()


def test_the_first_claim_holds_the_record_and_makes_it_the_stored_one(ssm: Script, store: SsmRecordStore) -> None:
    ssm.takes(CLAIM, OURS.to_json(), overwrite=False)
    ssm.takes(RECORD, text(OURS, follows=0), overwrite=False)

    assert store.claim(OURS) == OURS


def test_an_earlier_claimers_cohort_wins_and_is_stored_by_the_later_one(ssm: Script, store: SsmRecordStore) -> None:
    ssm.has_already(CLAIM, OURS.to_json())
    ssm.holds(CLAIM, claim_1=THEIRS.to_json())
    ssm.takes(RECORD, text(THEIRS, follows=0), overwrite=False)

    assert store.claim(OURS) == THEIRS


def test_a_later_claimer_leaves_the_stored_record_of_its_generation_alone(ssm: Script, store: SsmRecordStore) -> None:
    formed = replace(THEIRS, state=RecordState.EXISTING)
    ssm.has_already(CLAIM, OURS.to_json())
    ssm.holds(CLAIM, claim_1=THEIRS.to_json())
    ssm.has_already(RECORD, text(THEIRS, follows=0))
    ssm.holds(RECORD, record=formed.to_json())

    assert store.claim(OURS) == formed


def test_a_retired_generations_record_is_overwritten_by_the_next_ones(ssm: Script, store: SsmRecordStore) -> None:
    second = a_record(generation=2)
    ssm.takes(f"{PREFIX}/generations/2", second.to_json(), overwrite=False)
    ssm.has_already(RECORD, text(second, follows=0))
    ssm.holds(RECORD, record=replace(OURS, state=RecordState.RETIRED).to_json())
    ssm.takes(RECORD, text(second, follows=1), overwrite=True)

    assert store.claim(second) == second


def test_a_claim_that_comes_too_late_does_not_bring_an_old_generation_back(ssm: Script, store: SsmRecordStore) -> None:
    second = a_record(generation=2)
    ssm.takes(CLAIM, OURS.to_json(), overwrite=False)
    ssm.has_already(RECORD, text(OURS, follows=0))
    ssm.holds(RECORD, record=second.to_json())

    assert store.claim(OURS) == second


def test_an_earlier_claim_that_cannot_be_understood_is_an_error_that_names_it(
    ssm: Script, store: SsmRecordStore
) -> None:
    ssm.has_already(CLAIM, OURS.to_json())
    ssm.holds(CLAIM, claim_1="{")

    with pytest.raises(RecordError, match=rf"^parameter {CLAIM}: the record is not JSON"):
        store.claim(OURS)


def test_a_stored_record_that_cannot_be_understood_is_never_overwritten_by_a_claim(
    ssm: Script, store: SsmRecordStore
) -> None:
    ssm.takes(CLAIM, OURS.to_json(), overwrite=False)
    ssm.has_already(RECORD, text(OURS, follows=0))
    ssm.holds(RECORD, record='{"schema":99}')

    with pytest.raises(RecordError, match=rf"^parameter {RECORD}: the record has schema 99, expected 1$"):
        store.claim(OURS)


def test_a_claim_that_exists_but_cannot_be_read_yet_is_an_error(ssm: Script, store: SsmRecordStore) -> None:
    ssm.has_already(CLAIM, OURS.to_json())
    ssm.holds(CLAIM)

    with pytest.raises(AwsError, match=rf"GetParameters does not find {CLAIM}"):
        store.claim(OURS)


@pytest.mark.parametrize("code", ["ParameterLimitExceeded", "TooManyUpdates", "AccessDeniedException"])
def test_a_refused_claim_is_told_with_its_parameter(ssm: Script, store: SsmRecordStore, code: str) -> None:
    ssm.fails("put_parameter", code, "no")

    with pytest.raises(AwsError, match=rf"^PutParameter for {CLAIM} failed: {code}: no$"):
        store.claim(OURS)


@pytest.mark.parametrize("outcome", [FORMED, RETIRED], ids=["formed", "retired"])
def test_the_first_conclusion_is_the_outcome_and_the_stored_record(
    ssm: Script, store: SsmRecordStore, outcome: Record
) -> None:
    ssm.takes(OUTCOME, outcome.to_json(), overwrite=False)
    ssm.holds(RECORD, record=OURS.to_json())
    ssm.takes(RECORD, text(outcome, follows=1), overwrite=True)

    assert store.conclude(outcome) == outcome


@pytest.mark.parametrize(("wanted", "outcome"), [(FORMED, RETIRED), (RETIRED, FORMED)], ids=["retired", "formed"])
def test_an_earlier_outcome_is_what_is_stored_whatever_is_wanted(
    ssm: Script, store: SsmRecordStore, wanted: Record, outcome: Record
) -> None:
    ssm.has_already(OUTCOME, wanted.to_json())
    ssm.holds(OUTCOME, outcome=outcome.to_json())
    ssm.holds(RECORD, record=OURS.to_json())
    ssm.takes(RECORD, text(outcome, follows=1), overwrite=True)

    assert store.conclude(wanted) == outcome


@pytest.mark.parametrize(
    "stored", [replace(FORMED, members=()), RETIRED, a_record(generation=2)], ids=["goes on", "is over", "is another"]
)
def test_a_record_that_has_gone_on_is_left_alone_by_a_late_conclusion(
    ssm: Script, store: SsmRecordStore, stored: Record
) -> None:
    ssm.takes(OUTCOME, FORMED.to_json(), overwrite=False)
    ssm.holds(RECORD, record=stored.to_json())

    assert store.conclude(FORMED) == stored


def test_without_a_record_nothing_is_concluded_but_said_so(ssm: Script, store: SsmRecordStore) -> None:
    ssm.takes(OUTCOME, FORMED.to_json(), overwrite=False)
    ssm.holds(RECORD)

    with pytest.raises(AwsError, match=rf"GetParameters does not find {RECORD}"):
        store.conclude(FORMED)


def test_an_outcome_that_cannot_be_understood_is_an_error_that_names_it(ssm: Script, store: SsmRecordStore) -> None:
    ssm.has_already(OUTCOME, FORMED.to_json())
    ssm.holds(OUTCOME, outcome="{")

    with pytest.raises(RecordError, match=rf"^parameter {OUTCOME}: the record is not JSON"):
        store.conclude(FORMED)


def test_a_refused_outcome_leaves_the_record_alone(ssm: Script, store: SsmRecordStore) -> None:
    ssm.fails("put_parameter", "TooManyUpdates", "no")

    with pytest.raises(AwsError, match=rf"^PutParameter for {OUTCOME} failed: TooManyUpdates: no$"):
        store.conclude(FORMED)


def test_record_and_list_are_overwritten(ssm: Script, store: SsmRecordStore) -> None:
    ssm.takes(RECORD, OURS.to_json(), overwrite=True)
    ssm.takes(LIST, "i-0a=http://10.0.0.4:2380", overwrite=True)

    store.write(OURS)
    store.write_initial_cluster("i-0a=http://10.0.0.4:2380")


def test_a_failed_write_is_told_with_its_parameter(ssm: Script, store: SsmRecordStore) -> None:
    ssm.fails("put_parameter", "InternalServerError", "oops")

    with pytest.raises(AwsError, match=rf"^PutParameter for {RECORD} failed: InternalServerError: oops$"):
        store.write(OURS)


def test_an_empty_list_is_never_sent(store: SsmRecordStore) -> None:
    with pytest.raises(ValueError, match=rf"^{LIST} cannot be empty, expected at least one name=url$"):
        store.write_initial_cluster("")


def test_what_is_written_next_follows_what_was_read_or_written(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds_version(7, RECORD, LIST, record=text(OURS, follows=6))
    ssm.takes(RECORD, text(FORMED, follows=7), overwrite=True, version=8)
    ssm.takes(RECORD, text(RETIRED, follows=8), overwrite=True, version=9)

    read = store.read().record
    assert read
    written = store.write(replace(read, state=RecordState.EXISTING))
    store.write(replace(written, state=RecordState.RETIRED))


def test_a_write_over_what_was_not_read_is_void_and_said_to_be(ssm: Script, store: SsmRecordStore) -> None:
    ssm.takes(RECORD, text(FORMED, follows=7), overwrite=True, version=9)

    with pytest.raises(AwsError, match=rf"^PutParameter for {RECORD} came too late: it has been written since$"):
        store.write(replace(FORMED, follows=7))


def test_the_newest_record_that_is_not_void_counts(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds_version(9, RECORD, LIST, record=text(RETIRED, follows=5))
    ssm.holds_version(8, f"{RECORD}:8", record=text(THEIRS, follows=6))
    ssm.holds_version(7, f"{RECORD}:7", record=text(FORMED, follows=6))

    stored = store.read()

    assert stored == Stored(record=FORMED, is_covered=True)
    assert stored.record
    assert stored.record.follows == 9


def test_a_claim_is_not_put_off_by_a_void_record(ssm: Script, store: SsmRecordStore) -> None:
    second = a_record(generation=2)
    ssm.takes(f"{PREFIX}/generations/2", second.to_json(), overwrite=False)
    ssm.has_already(RECORD, text(second, follows=0))
    ssm.holds_version(4, RECORD, record=text(FORMED, follows=2))
    ssm.holds_version(3, f"{RECORD}:3", record=text(RETIRED, follows=2))
    ssm.takes(RECORD, text(second, follows=4), overwrite=True, version=5)

    assert store.claim(second) == second


def test_a_record_by_hand_says_nothing_of_what_it_follows_and_counts(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds_version(9, RECORD, LIST, record=RETIRED.to_json())

    assert store.read() == Stored(record=RETIRED)


def test_a_void_record_with_nothing_below_it_cannot_be_used(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds(RECORD, LIST, record=text(RETIRED, follows=7))

    assert store.read() == Stored(record=None, problem=f"parameter {RECORD}: version 1 follows version 7")


def test_a_version_below_that_is_not_shown_yet_is_looked_for_again(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds_version(9, RECORD, LIST, record=text(RETIRED, follows=7))
    ssm.holds(f"{RECORD}:8")

    with pytest.raises(AwsError, match=rf"does not find {RECORD}:8"):
        store.read()


def test_what_cannot_be_used_below_a_void_record_is_named_with_its_version(ssm: Script, store: SsmRecordStore) -> None:
    ssm.holds_version(9, RECORD, LIST, record=text(RETIRED, follows=5))
    ssm.holds_version(8, f"{RECORD}:8", record="not JSON")

    assert store.read().problem.startswith(f"parameter {RECORD}:8: the record is not JSON")
