"""Reading a record: what is accepted, and how a complaint reads."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcd_aws_agent.errors import ExitCode, RecordError, UnavailableError
from etcd_aws_agent.record import parse_record
from tests.unit.agent.fake_aws import INSTANCE
from tests.unit.agent.records import INITIAL_CLUSTER_TOKEN, a_record, an_entry, two_others

PARAMETER = "/etcd-aws-cluster/etcd/record"


def test_a_record_of_the_controller_is_understood() -> None:
    record = parse_record(a_record(an_entry(started=True), *two_others()), parameter=PARAMETER)

    assert (record.state, record.initial_cluster_token) == ("existing", INITIAL_CLUSTER_TOKEN)
    assert [member.instance for member in record.members] == [INSTANCE, "i-0000000b", "i-0000000c"]
    assert record.members[0].peer_urls == ("http://10.0.0.4:2380",)


def test_keys_of_a_later_version_of_the_same_schema_are_ignored() -> None:
    record = parse_record(a_record({**an_entry(), "colour": "blue"}, shape=[1]), parameter=PARAMETER)

    assert len(record.members) == 1


def test_an_instance_is_never_matched_by_a_part_of_its_id() -> None:
    record = parse_record(a_record(an_entry("i-0a1b2c3d4")), parameter=PARAMETER)

    assert record.entry_of("i-0a1b2c3d") is None


def test_a_name_counts_only_where_the_instance_is_unknown() -> None:
    record = parse_record(a_record(an_entry("i-0000000b", name=INSTANCE)), parameter=PARAMETER)

    assert record.entry_of(INSTANCE) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[" * 4000, "is not JSON"),
        ("[]", "is list; expected an object of schema 1"),
        (a_record(schema=2), "schema 2 found, schema 1 expected"),
        (a_record(schema=True), "schema True found, schema 1 expected"),
        ("{}", "schema None found, schema 1 expected"),
        (a_record(state="forming"), "state is 'forming'; expected"),
        (a_record(token='x"\nETCD_NAME=evil'), "token is 'x\"\\nETCD_NAME=evil'; expected"),
        (a_record(members={}), "members is {}; expected an array"),
        (a_record(members=["i-1"]), "members[0] is 'i-1'; expected an object"),
        (a_record({**an_entry(), "instance": "i-1;rm"}), "members[0].instance is 'i-1;rm'; expected"),
        (a_record({**an_entry(), "started": "yes"}), "members[0].started is 'yes'; expected true or false"),
        (a_record({**an_entry(), "peer_urls": []}), "members[0].peer_urls is empty"),
        (a_record({**an_entry(), "peer_urls": ['http://a:1"\nX=1']}), "members[0].peer_urls is"),
        (a_record({**an_entry(), "client_urls": ["ftp://a:1"]}), "members[0].client_urls is"),
        (a_record({**an_entry(), "name": "a\nb"}), "members[0].name is"),
    ],
)
def test_a_complaint_names_the_parameter_the_field_and_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(text, parameter=PARAMETER)

    assert str(caught.value).startswith(PARAMETER + ": ")
    assert complaint in str(caught.value)
    assert caught.value.exit_code is ExitCode.RECORD_UNUSABLE


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.4:2380", "https://[fd00::4]:2380", "http://etcd-4.example.internal:2380", "http://etcd_4:2380"],
)
def test_a_url_that_etcd_takes_is_one_for_the_agent_too(url: str) -> None:
    (member,) = parse_record(a_record({**an_entry(), "peer_urls": [url]}), parameter=PARAMETER).members
    assert member.peer_urls == (url,)


JSON: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "i-0a", "\n", [], [None], ["http://a:1"], {}, {"a": []}]
)


@given(st.dictionaries(st.sampled_from(sorted(an_entry())), JSON), st.sampled_from(["members", "token", "state", None]))
def test_whatever_is_in_the_parameter_it_is_a_record_or_a_record_error(
    changes: dict[str, Any], gone: str | None
) -> None:
    document = json.loads(a_record({**an_entry(), **changes}))
    document.pop(gone, None)

    with suppress(RecordError):
        assert parse_record(json.dumps(document), parameter=PARAMETER).members


def test_a_record_is_void_unless_its_version_is_the_next_after_the_one_it_follows() -> None:
    assert parse_record(a_record(follows=6), parameter=PARAMETER, version=7)
    assert parse_record(a_record(), parameter=PARAMETER, version=7)
    for follows in (5, 7, "6"):
        with pytest.raises(UnavailableError, match=rf"^{PARAMETER}: version 7 was to follow {follows!r} and is void$"):
            parse_record(a_record(follows=follows), parameter=PARAMETER, version=7)
