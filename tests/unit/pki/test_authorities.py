"""The CA's generations: made once, whoever comes when and whatever gets lost."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.pki.errors import PkiError
from tests.fakes.fake_clock import FakeClock
from tests.pki import FakeVault, authorities


def test_what_is_not_there_is_made_once_and_used_by_all_who_come_later() -> None:
    vault = FakeVault()
    first = authorities(vault).bundle()
    assert authorities(vault).bundle() == first
    assert vault.generations.keys() == {1}


def test_every_trusted_generation_is_made_and_the_signing_one_comes_first() -> None:
    vault = FakeVault()
    ca = authorities(vault, 2, 1)

    assert ca.bundle() == ca.signing().certificate_pem + json.loads(vault.generations[1])["cert"]
    assert ca.signing().generation == 2


def test_who_only_asks_members_trusts_what_has_been_made_and_makes_no_other() -> None:
    vault = FakeVault()
    first = authorities(vault).bundle()
    ca = authorities(vault, 1, 2)

    assert ca.present_bundle() == first
    assert vault.generations.keys() == {1}
    assert ca.bundle() != first
    assert ca.present_bundle() == ca.bundle()


def test_who_comes_second_takes_what_the_first_one_made() -> None:
    class Racing(FakeVault):
        """Another controller creates the generation after this one has looked."""

        def create(self, generation: int, text: str) -> None:
            authorities(other).bundle()
            self.generations.update(other.generations)
            super().create(generation, text)

    other = FakeVault()
    vault = Racing()

    assert authorities(vault).bundle() == authorities(other).bundle()


def test_a_lost_answer_is_an_error_and_the_next_look_finds_what_was_written() -> None:
    vault, clock = FakeVault(lose_answers=True), FakeClock()
    ca = authorities(vault, now=clock.now)
    with pytest.raises(AwsError):
        ca.bundle()

    clock.advance(timedelta(seconds=5))
    assert ca.bundle() == json.loads(vault.generations[1])["cert"]


def test_a_vault_that_cannot_be_read_is_not_an_empty_one() -> None:
    vault = FakeVault()
    before = authorities(vault).bundle()
    vault.problem = AwsError("AccessDenied")
    with pytest.raises(AwsError, match="AccessDenied"):
        authorities(vault).bundle()
    vault.problem = None
    assert authorities(vault).bundle() == before


@pytest.mark.parametrize(
    "text", ["rubbish -----BEGIN EC PRIVATE KEY-----", "[]", '{"cert": "x"}', '{"cert": 1, "key": 2}']
)
def test_what_cannot_be_understood_is_told_and_left_alone(text: str) -> None:
    vault = FakeVault(generations={1: text})
    with pytest.raises(PkiError, match="generation 1 of the CA is not a JSON object of cert and key") as error:
        authorities(vault).bundle()
    assert vault.generations == {1: text}
    assert "PRIVATE" not in str(error.value)


def test_what_is_known_is_not_asked_for_again() -> None:
    vault = FakeVault()
    ca = authorities(vault)
    before = ca.bundle()
    vault.problem = AwsError("down")
    assert ca.bundle() == before


def test_a_vault_that_failed_is_not_asked_by_everybody_in_turn() -> None:
    class Counting(FakeVault):
        reads = 0

        def read(self, generation: int) -> str | None:
            self.reads += 1
            return super().read(generation)

    vault, clock = Counting(problem=AwsError("down")), FakeClock()
    ca = authorities(vault, now=clock.now)
    for _ in range(9):
        with pytest.raises(AwsError, match="down"):
            ca.signing()
    assert vault.reads == 1

    clock.advance(timedelta(seconds=5))
    vault.problem = None
    assert ca.bundle()


def test_a_vault_that_does_not_show_what_it_took_is_asked_again_later() -> None:
    class Slow(FakeVault):
        def create(self, generation: int, text: str) -> None:
            later[generation] = text

    later: dict[int, str] = {}
    vault, clock = Slow(), FakeClock()
    ca = authorities(vault, now=clock.now)
    with pytest.raises(PkiError, match="not to be seen yet"):
        ca.bundle()
    vault.generations = later
    clock.advance(timedelta(seconds=5))
    assert ca.bundle() == json.loads(later[1])["cert"]
