"""Real etcd of each version does what the explorer's etcd and the fake do; a fake or a model that lies is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from etcd_aws_cluster.core.model import MemberId
from tests.contract.sequences.runs import CASES, Result, play, play_seed, side_by_side
from tests.contract.sequences.script import CALLS, KILL, Operation, write, written
from tests.explorer import etcd as model
from tests.explorer.state import ADD_LEARNER, ADD_VOTER, MOVE_LEADERSHIP, REMOVE, VOTER_UNSTARTED, State, with_node
from tests.fakes.etcd_hosts import Cluster, Process
from tests.fakes.fake_membership import FakeEtcd
from tests.real_etcd import NotAtHandError

SEEDS = {"v3": range(3), "v2": range(2)}
"""``python -m tests.contract.sequences`` plays more."""

LIE_WAIT_S = 10.0
"""How long the lie at the end of a script may become true; etcd counts as connected who has been so for 5 s."""


class TakesAnyoneAsLeader(FakeEtcd):
    """Believes that leadership moves wherever it is asked for."""

    def move_leadership(self, endpoint: str, target: MemberId) -> None: ...


class ChecksNoHealth(FakeEtcd):
    """Believes that etcd adds members whoever is down."""

    def _connected_to(self, process: Process, cluster: Cluster) -> int:
        return len(cluster.voters)


class KeepsTheRemoved(FakeEtcd):
    """Believes that a removed member stays in the list."""

    def remove_member(self, endpoint: str, member_id: MemberId) -> None: ...


Lie = tuple[type[FakeEtcd], list[Operation], str]
LIES: list[Lie] = [
    (TakesAnyoneAsLeader, [Operation(MOVE_LEADERSHIP, 3, 0)], "expected DONE, etcd says BAD_TRANSFEREE"),
    (ChecksNoHealth, [Operation(KILL, 2), Operation(ADD_LEARNER, 3, 0)], "expected DONE, etcd says UNHEALTHY"),
    (KeepsTheRemoved, [Operation(REMOVE, 2, 0)], "host 0: expected View"),
]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, list[Future[Result]]]]:
    """Begin everything that any of the tests waits for: etcd mostly waits too."""
    wanted = {i.name for i in request.session.items}
    with side_by_side(10) as submit:
        futures: dict[str, list[Future[Result]]] = {}
        for lie, operations, _ in LIES:
            if any(lie.__name__ in name for name in wanted):
                futures[lie.__name__] = [submit(partial(_play_lie, lie, operations))]
        for case in CASES:
            if any(case in name for name in wanted):
                futures[case] = [submit(partial(play_seed, case, seed)) for seed in SEEDS[case[:2]]]
        yield futures


def results(futures: list[Future[Result]]) -> Result:
    total = Result()
    try:
        for future in futures:
            total.add(future.result())
    except NotAtHandError as error:
        pytest.skip(str(error))
    return total


@pytest.mark.real_etcd
@pytest.mark.parametrize("case", CASES)
def test_etcd_answers_and_lists_as_the_model_and_the_fake_do(case: str, runs: dict[str, list[Future[Result]]]) -> None:
    total = results(runs[case])

    assert total.differences == []
    assert total.operations > 0


def _play_lie(lie: type[FakeEtcd], operations: list[Operation]) -> Result:
    return play("v3 3.5", written(3, operations, lie()), lie.__name__, last_wait_s=LIE_WAIT_S)


@pytest.mark.real_etcd
@pytest.mark.parametrize(("lie", "difference"), [(lie.__name__, words) for lie, _, words in LIES])
def test_etcd_gives_a_fake_that_lies_away(lie: str, difference: str, runs: dict[str, list[Future[Result]]]) -> None:
    (found,) = results(runs[lie]).differences

    assert difference in found


def test_the_sequences_of_a_hundred_seeds_hold_the_model_to_the_fake_and_reach_every_call() -> None:
    for case in ("v3 3.4", "v3 3.5", "v2 3.4"):
        done = {step.operation.what for seed in range(100) for step in write(case, seed).steps if step.answer == "DONE"}
        assert done >= (set(CALLS) if case.startswith("v3") else {ADD_VOTER, REMOVE})


def _promotes_the_unstarted(state: State, target: int, cluster: int, rules: model.Rules) -> State | None:
    return with_node(state, target, member=VOTER_UNSTARTED)


def _removes_whomever(state: State, target: int, door: int, rules: model.Rules) -> bool:
    return True


@pytest.mark.parametrize(
    ("rule", "wrong"), [("_promote", _promotes_the_unstarted), ("_may_be_removed", _removes_whomever)]
)
def test_a_model_that_lies_differs_from_the_fake(
    rule: str, wrong: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, rule, wrong)

    with pytest.raises(AssertionError, match="only the explorer's etcd takes it"):
        _write_many()


def _write_many() -> None:
    for seed in range(20):
        write("v3 3.5", seed)
