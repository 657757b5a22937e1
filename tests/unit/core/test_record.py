"""The stored document."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.errors import RecordError
from etcd_aws_cluster.core.model import InstanceId, MemberId
from etcd_aws_cluster.core.record import LONGEST_ENTRY_BYTES, MAX_BYTES, Record
from tests.builders import a_cohort_record, a_member, a_record, a_recorded


def test_what_is_written_is_what_is_read() -> None:
    formed = a_record([a_member(1), a_member(2, learner=True)], unresponsive={1: 5}, leaving={2: 7})
    nobodys = replace(formed, members=tuple(replace(m, instance=None) for m in formed.members))
    for record in (formed, nobodys, a_cohort_record([1, 2, 3])):
        assert Record.from_json(record.to_json()) == record


def test_which_version_it_follows_is_written_only_where_it_is_known() -> None:
    record = a_record([a_member(1)])
    assert json.loads(record.to_json()).keys() | {"follows"} == json.loads(replace(record, follows=0).to_json()).keys()
    assert "follows" not in json.loads(record.to_json())
    for follows in (None, 0, 41):
        assert Record.from_json(replace(record, follows=follows).to_json()).follows == follows


def test_nine_members_with_every_clock_running_fit_a_standard_parameter() -> None:
    every = range(10, 19)
    record = a_record(
        (a_member(n) for n in every), unresponsive=dict.fromkeys(every, 1), leaving=dict.fromkeys(every, 1)
    )
    longest = json.loads(record.to_json())
    for member in longest["members"]:
        member.update(
            instance="i-0123456789abcdef0",
            name="i-0123456789abcdef0",
            id="f" * 16,
            life="f" * 16,
            peer_urls=["https://255.255.255.255:65535"],
            client_urls=["https://255.255.255.255:65535"],
        )
    longest["clocks"] = {
        "unresponsive": {},
        "leaving": {f"i-0123456789abcdef{n}": 1_700_000_000 for n in range(4)},
    }
    arn = "arn:aws-us-gov:autoscaling:us-gov-west-1:123456789012:autoScalingGroup"
    longest["group_arn"] = f"{arn}:{'u' * 36}:autoScalingGroupName/{'n' * 64}"
    longest["token"] = f"etcd-{'u' * 36}-g99"
    longest["follows"] = 999_999_999
    assert len(Record.from_json(json.dumps(longest)).to_json()) <= MAX_BYTES


def test_a_record_fits_to_the_last_byte_and_wastes_none_on_blanks() -> None:
    record = a_record([a_member(1), a_member(2)])
    assert " " not in record.to_json()
    full = replace(record, token="t" * (MAX_BYTES - len(record.to_json()) + len(record.token)))
    assert len(full.to_json()) == MAX_BYTES
    with pytest.raises(RecordError, match="has 4097 bytes"):
        replace(full, token=full.token + "t").to_json()


def test_a_record_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RecordError, match="at most 4096 fit"):
        a_record(a_member(n) for n in range(1, 40)).to_json()


def test_a_record_has_room_while_the_longest_entry_and_a_clock_for_each_member_fit() -> None:
    record = a_record([a_member(1), a_member(2)])
    clocks = dict.fromkeys((1, 2), 1)
    ticking = replace(a_record([a_member(1), a_member(2)], unresponsive=clocks), follows=999_999_999)
    full = replace(record, token="t" * (MAX_BYTES - LONGEST_ENTRY_BYTES - len(ticking.to_json()) + len(record.token)))
    assert full.has_room()
    assert not replace(full, token=full.token + "t").has_room()
    assert not replace(full, token="t" * MAX_BYTES).has_room()
    assert replace(full, leaving_since=ticking.unresponsive_since).has_room()


def test_no_newcomer_has_a_longer_entry() -> None:
    instance = InstanceId("i-0123456789abcdef0")
    member = replace(
        a_recorded(a_member(1)),
        instance=instance,
        name="i-0123456789abcdef0",
        member_id=MemberId(2**64 - 1),
        life="f" * 16,
        peer_urls=("https://255.255.255.255:65535",),
        client_urls=("https://255.255.255.255:65535",),
        since=1_700_000_000,
    )
    empty = a_record([])
    grown = replace(empty, members=(member,), unresponsive_since={instance: 1_700_000_000})
    assert len(grown.to_json()) - len(empty.to_json()) < LONGEST_ENTRY_BYTES


def test_the_plain_list_names_a_member_by_its_name_else_its_instance_else_its_id() -> None:
    record = a_record(a_member(n, started=n == 1) for n in (4, 3, 2, 1))
    nobodys = [replace(m, instance=None) for m in record.members[:2]]
    assert replace(record, members=(*nobodys, *record.members[2:])).initial_cluster() == (
        "67=http://10.0.0.3:2380,68=http://10.0.0.4:2380,i-01=http://10.0.0.1:2380,i-02=http://10.0.0.2:2380"
    )


def test_members_go_by_age_then_by_id_and_one_without_an_entry_is_the_newest() -> None:
    one, two, three, four = (a_member(n) for n in (1, 2, 3, 4))
    entries = (a_recorded(two, since_s=10), a_recorded(three, since_s=20), a_recorded(four, since_s=10))
    record = replace(a_record([]), members=entries)
    assert record.oldest_first([four, one, three, two]) == [three, two, four, one]


@pytest.mark.parametrize("kept", ["unresponsive", "leaving", None])
def test_a_clock_that_is_not_stored_does_not_run(kept: str | None) -> None:
    record = a_record([a_member(1)], unresponsive={1: 5}, leaving={1: 7})
    raw = json.loads(record.to_json())
    if kept is None:
        del raw["clocks"]
    else:
        raw["clocks"] = {kept: raw["clocks"][kept]}
    read = Record.from_json(json.dumps(raw))
    assert read.unresponsive_since == (record.unresponsive_since if kept == "unresponsive" else {})
    assert read.leaving_since == (record.leaving_since if kept == "leaving" else {})


def test_unknown_keys_are_ignored() -> None:
    raw = json.loads(a_cohort_record([1]).to_json())
    raw["later"] = {"more": 1}
    raw["members"][0]["zone"] = "a"
    assert Record.from_json(json.dumps(raw)) == a_cohort_record([1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not JSON"),
        ("[" * 4000, "not JSON"),
        (a_cohort_record([1]).to_json().replace('"created_at":', '"created_at":1e999,"x":'), "missing or wrong field"),
        ("[]", "schema 'list', expected 1"),
        ('{"schema":0}', "schema 0, expected 1"),
        ('{"schema":1}', "missing or wrong field: KeyError\\('generation'\\)"),
        (a_cohort_record([1]).to_json().replace('"new"', '"odd"'), "'odd' is not a valid RecordState"),
        (a_cohort_record([1]).to_json().replace('"members":[{', '"members":[7,{'), "missing or wrong field"),
    ],
)
def test_a_record_that_cannot_be_understood_says_why(text: str, expected: str) -> None:
    with pytest.raises(RecordError, match=expected):
        Record.from_json(text)
