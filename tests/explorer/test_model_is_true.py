"""The explorer's etcd, held to the fake etcd, which tests/contract holds to real ones: the same steps, the same end."""

from __future__ import annotations

import random

from tests.explorer.both import COUNT, Both
from tests.explorer.state import ADD_LEARNER, LEARNER, LEARNER_UNSTARTED, MOVE_LEADERSHIP, PROMOTE, READY, REMOVE

SEEDS, STEPS = 100, 80


def test_the_explorers_etcd_does_what_the_fake_does() -> None:
    played = [_play(random.Random(seed)) for seed in range(SEEDS)]  # noqa: S311 - any order will do
    assert {call for taken, _ in played for call in taken} == {ADD_LEARNER, PROMOTE, REMOVE, MOVE_LEADERSHIP}
    assert sum(old for _, old in played) > 0, "nobody told an old list"


def _play(dice: random.Random) -> tuple[list[int], int]:
    """Do the same to both, at random; return the calls that changed something, and how often an old list was told."""
    both, taken = Both(), []
    for _ in range(STEPS):
        nodes = both.state.nodes
        node = dice.randrange(COUNT)
        newcomers = [i for i, n in enumerate(nodes) if n.member in (LEARNER, LEARNER_UNSTARTED)]
        if newcomers and dice.random() < 0.5:
            node = newcomers[0]
        ready = [i for i, n in enumerate(nodes) if n.process == READY] or [0]
        door = dice.choice(ready) if dice.random() < 0.7 else dice.randrange(COUNT)
        if dice.random() < 0.5:
            call = dice.choice([ADD_LEARNER, ADD_LEARNER, PROMOTE, PROMOTE, REMOVE, MOVE_LEADERSHIP])
            if call == ADD_LEARNER or nodes[node].member:
                before = both.state
                both.call(call, node, door)
                taken += [call] * (both.state != before)
        else:
            both.happen(node, dice.choice(["start"] * 4 + ["catch up"] * 3 + ["crash", "hang", "hide", "cut", "learn"]))
        both.settle()
        both.compare()
        both.compare_lists()
    return taken, both.old_lists
