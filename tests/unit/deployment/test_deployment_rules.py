"""Which changes a running cluster bears, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.deployment.deployed import Deployed, parse_version
from etcd_aws_cluster.deployment.rules import Running, lags, refusal

TEXT = "version=3.5.30 client=http:2379 peer=http:2380 transition=off pki=automatic signs=1 trusts=1"
PLAIN = Deployed.from_text(TEXT)
SWITCHING = replace(PLAIN, transition=True)
SECURE_SWITCHING = replace(SWITCHING, client_scheme="https", peer_scheme="https")
SECURE = replace(SECURE_SWITCHING, transition=False)
NAMED, CHECKED = replace(SECURE, peers="named"), replace(SECURE, peers="checked")


def member(version: str, cluster: str = "", *, deployed: Deployed | None = PLAIN, name: str = "i-0a") -> Running:
    major, minor, _ = parse_version(f"{cluster}.0") if cluster else (0, 0, 0)
    return Running(
        name=name, version=parse_version(version), cluster=(major, minor) if cluster else None, deployed=deployed
    )


def silent(deployed: Deployed | None = PLAIN, name: str = "i-0c") -> Running:
    return Running(name=name, deployed=deployed, problem="connection refused")


def asked(version: str, base: Deployed = PLAIN) -> Deployed:
    return replace(base, version=parse_version(version))


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        ([], "3.7.0"),
        (["3.5.30"] * 3, "3.5.30"),
        (["3.5.30"] * 3, "3.5.35"),
        (["3.5.30"] * 3, "3.5.21"),
        (["3.4.30"] * 3, "3.5.21"),
        (["3.5.26"] * 3, "3.6.0"),
        (["3.5.35", "3.5.35", "3.4.30"], "3.5.35"),
        (["3.5.35", "3.4.30", "3.4.30"], "3.4.30"),
        (["3.6.11"] * 3, "3.7.0"),
        (["2.3.8"] * 3, "3.0.17"),
        (["2.2.5"] * 3, "2.3.8"),
    ],
)
def test_one_minor_version_up_is_allowed_and_any_patch(running: list[str], wanted: str) -> None:
    assert refusal(asked(wanted), [member(v) for v in running]) == ""


@pytest.mark.parametrize(
    ("running", "wanted", "words"),
    [
        (["3.4.30"] * 3, "3.6.0", "deploy 3.5.x first"),
        (["3.5.30", "3.5.30", "3.4.30"], "3.6.0", "deploy 3.5.x first"),
        (["3.5.30"] * 3, "3.7.0", "deploy 3.6.x first"),
        (["2.3.8"] * 3, "3.1.0", "deploy 3.0.x first"),
        (["3.5.30"] * 3, "4.0.0", "deploy 3.6.x first"),
        (["3.6.11"] * 3, "3.5.35", "not downgraded"),
        (["3.0.17"] * 3, "2.3.8", "not downgraded"),
        (["3.5.25", "3.5.30"], "3.6.0", "3.5.26 or a later 3.5"),
        (["3.5.21"] * 3, "3.6.16", "https://etcd.io/blog/2025/zombie_members_upgrade/"),
        (["3.6.10"] * 3, "3.7.0", "3.6.11 or a later 3.6"),
    ],
)
def test_a_skip_a_downgrade_and_a_patch_release_that_is_too_old_are_refused(
    running: list[str], wanted: str, words: str
) -> None:
    reason = refusal(asked(wanted), [member(v) for v in running])
    assert words in reason
    assert f"{wanted} was asked for" in reason
    assert f"i-0a {running[0]}" in reason


def test_only_the_members_that_are_too_old_are_named_as_such() -> None:
    reason = refusal(asked("3.6.0"), [member("3.5.25", name="i-0a"), member("3.5.30", name="i-0b")])
    assert "these do not: i-0a 3.5.25." in reason


def test_what_the_cluster_has_agreed_on_counts_so_etcds_own_downgrade_may_be_followed() -> None:
    downgrading = [member("3.6.16", "3.5")] * 3
    assert refusal(asked("3.5.35"), downgrading) == ""
    assert "deploy 3.6.x first" in refusal(asked("3.7.0"), downgrading)


@pytest.mark.parametrize(
    ("running", "is_so"),
    [
        ([member("3.6.16", "3.5")] * 3, True),
        ([member("3.6.16", "3.6"), member("3.6.16", "3.5")], True),
        ([member("3.6.16", "3.6")] * 3, False),
        ([member("3.6.16", "3.5"), member("3.5.35", "3.5")], False),
        ([member("3.6.16", "3.5"), silent()], False),
        ([member("2.3.8")], False),
        ([silent()], False),
        ([], False),
    ],
)
def test_a_cluster_version_lags_where_every_member_runs_a_later_one(running: list[Running], *, is_so: bool) -> None:
    assert lags(running) is is_so


def test_where_nobody_answers_only_what_is_there_may_be_deployed() -> None:
    assert refusal(PLAIN, [silent()] * 3) == ""
    for change in (asked("3.5.31"), asked("3.6.0"), asked("3.4.30"), replace(PLAIN, transition=True)):
        assert "No member of the running cluster answers (i-0c: connection refused)" in refusal(change, [silent()])


def test_a_silent_member_keeps_the_others_from_the_next_minor_version_but_not_from_a_patch() -> None:
    running = [member("3.5.30"), member("3.5.30"), silent()]
    assert "Not every member answers (i-0c: connection refused)" in refusal(asked("3.6.0"), running)
    assert refusal(asked("3.5.31"), running) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, SWITCHING),
        (SWITCHING, SECURE_SWITCHING),
        (SECURE_SWITCHING, SECURE),
        (SECURE, SECURE_SWITCHING),
        (SECURE_SWITCHING, SWITCHING),
        (SWITCHING, PLAIN),
        (SWITCHING, replace(SWITCHING, client_scheme="https")),
        (PLAIN, replace(PLAIN, pki="own")),
        (PLAIN, replace(PLAIN, signs=2, trusts=frozenset({2}))),
        (SECURE, replace(SECURE, trusts=frozenset({1, 2}))),
        (replace(SECURE, trusts=frozenset({1, 2})), replace(SECURE, signs=2, trusts=frozenset({1, 2}))),
        (
            replace(SECURE, signs=2, trusts=frozenset({1, 2})),
            replace(SECURE, signs=2, trusts=frozenset({2})),
        ),
        (SECURE, NAMED),
        (NAMED, CHECKED),
        (CHECKED, NAMED),
        (PLAIN, replace(SWITCHING, peers="checked")),
    ],
)
def test_each_step_between_http_and_https_and_between_two_cas_is_allowed(before: Deployed, after: Deployed) -> None:
    assert refusal(after, [member("3.5.30", deployed=before)] * 3) == ""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (PLAIN, SECURE, "From http to https it goes in steps"),
        (SECURE, PLAIN, "From http to https it goes in steps"),
        (PLAIN, SECURE_SWITCHING, "From http to https it goes in steps"),
        (SWITCHING, SECURE, "From http to https it goes in steps"),
        (SECURE, replace(SECURE, pki="own"), "neither trusts the other"),
        (SECURE, replace(SECURE, signs=2, trusts=frozenset({1, 2})), "would not trust each other"),
        (
            replace(SECURE, trusts=frozenset({1, 2})),
            replace(SECURE, signs=2, trusts=frozenset({2})),
            "would not trust each other",
        ),
        (SECURE, CHECKED, "Deploy etcd:peer_cn_check=false first"),
        (SWITCHING, replace(SECURE_SWITCHING, peers="checked"), "Deploy etcd:peer_cn_check=false first"),
        (PLAIN, replace(PLAIN, client_port=4001), "etcd:etcd_client_port=4001 was asked for"),
        (PLAIN, replace(PLAIN, peer_port=7001), "etcd:etcd_server_port=7001 was asked for"),
    ],
)
def test_what_would_cut_members_off_is_refused(before: Deployed, after: Deployed, words: str) -> None:
    running = [member("3.5.30", deployed=after), member("3.5.30", deployed=before)]
    assert words in refusal(after, running)


def test_every_problem_is_told_once() -> None:
    reason = refusal(replace(SECURE, version=(3, 7, 0)), [member("3.5.30")] * 3)
    assert reason.count("one minor version at a time") == 1
    assert reason.count("it goes in steps") == 1


def test_what_a_later_release_adds_is_passed_over() -> None:
    assert Deployed.from_text(f"{TEXT} peers=checked more=1") == replace(PLAIN, peers="checked")
    assert Deployed.from_text(f"{TEXT} peers=otherwise") == PLAIN


@pytest.mark.parametrize("text", ["", "version=3.5", TEXT.replace("off", "maybe"), TEXT.replace("http:", "ftp:")])
def test_a_line_that_cannot_be_read_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a line such as 'version=3\.5\.21"):
        Deployed.from_text(text)


def test_words_that_a_later_release_adds_are_passed_over() -> None:
    assert Deployed.from_text(f"{TEXT} colour=blue") == PLAIN


def test_a_pre_release_counts_as_its_release() -> None:
    assert parse_version("3.6.0-rc.1") == (3, 6, 0)
