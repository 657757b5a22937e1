"""How long the agent waits, by a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from etcd_aws_agent import backoff
from etcd_aws_agent.errors import DeniedError, ExitCode, ThrottledError, UnavailableError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.run import Agent
from etcd_aws_agent.settings import Settings
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE
from tests.unit.agent.records import a_record, an_entry, two_others

VOTERS = a_record(*two_others())


@dataclass
class HandClock:
    """Time goes on only by sleeping."""

    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)
    stop_after: float = float("inf")

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        if self.now >= self.stop_after:
            raise KeyboardInterrupt


VERSION = 7


class Script:
    """Gives the answers one after the other, the last one for ever."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self._answers = iter(answers)
        self._last: str | Exception | None = None

    def newest(self, name: str) -> tuple[str, int] | None:
        self._last = next(self._answers, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return None if self._last is None else (self._last, VERSION)


class NoGroups:
    """Nobody asks for a group by its tag."""

    def group_named(self, tag_value: str) -> str:
        raise AssertionError(tag_value)


Start = Callable[..., tuple[Agent, HandClock]]


@pytest.fixture
def start(host: Host) -> Start:
    def build(*answers: str | Exception | None, **environ: str) -> tuple[Agent, HandClock]:
        clock = HandClock()
        agent = Agent(
            settings=Settings.from_environ({**host.env, "AGENT_DEADLINE_S": "3600", **environ}),
            identity=Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1"),
            parameters=Script(*answers),
            groups=NoGroups(),
            clock=clock,
            log=lambda _event, **_fields: None,
        )
        return agent, clock

    return build


def test_a_member_looks_often_at_first_and_seldom_after_a_quarter_of_an_hour(start: Start) -> None:
    agent, clock = start(None)

    assert agent.run() is ExitCode.NOT_LISTED_IN_TIME

    assert clock.now == pytest.approx(1000 + 3600)
    assert clock.sleeps[0] < 0.1
    assert all(0.2 <= seconds <= 0.3 for seconds in clock.sleeps[30:1000])
    assert all(2 <= seconds <= 5 for seconds in clock.sleeps[-300:-1])


def test_a_proxy_begins_with_seconds_and_ends_with_half_a_minute(start: Start) -> None:
    agent, clock = start(None, PROXY_ASG="etcd")

    assert agent.run() is ExitCode.NOT_LISTED_IN_TIME

    assert clock.sleeps[0] <= 1
    assert max(clock.sleeps) <= backoff.LONGEST_OF_PROXY_S
    # Of the last ones none is short (but the very last, which ends with the deadline).
    assert min(clock.sleeps[10:-1]) >= backoff.LONGEST_OF_PROXY_S / 2


def test_a_throttled_proxy_makes_room_for_the_others_at_once_and_a_member_does_not(
    start: Start, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.9)
    answers = (None, ThrottledError("rate exceeded"), None, VOTERS)

    proxy, its_clock = start(*answers, PROXY_ASG="etcd")
    assert proxy.run() is ExitCode.OK
    assert its_clock.sleeps == pytest.approx([0.9, 0.9 * 35, 0.95 * 35])

    host.peers_file.unlink()
    member, clock = start(*answers)
    clock.stop_after = clock.now + 1
    with pytest.raises(KeyboardInterrupt):
        member.run()
    assert clock.sleeps[1] == pytest.approx(0.9)


def test_without_a_deadline_it_waits_for_ever(start: Start) -> None:
    agent, clock = start(None, AGENT_DEADLINE_S="0")
    clock.stop_after = 1000 + 24 * 3600

    with pytest.raises(KeyboardInterrupt):
        agent.run()


@pytest.mark.parametrize("trouble", [UnavailableError("timed out"), DeniedError("AccessDenied")])
def test_an_outage_holds_a_rebooting_etcd_up_for_seconds_only(start: Start, host: Host, trouble: Exception) -> None:
    host.has_run_before()
    text = host.has_peers_file()
    agent, clock = start(trouble)

    assert agent.run() is ExitCode.OK

    assert 10 <= clock.now - 1000 <= 10 + backoff.LONGEST_S
    assert host.peers_file.read_text() == text


def test_an_outage_is_never_taken_for_no_record(start: Start, host: Host) -> None:
    agent, _ = start(UnavailableError("timed out"))

    assert agent.run() is ExitCode.RECORD_NOT_READ_IN_TIME
    assert not host.peers_file.exists()


def test_an_answer_in_between_ends_an_outage(start: Start, host: Host) -> None:
    host.has_run_before()
    host.has_peers_file()
    started = a_record(an_entry(started=True))
    agent, _ = start(UnavailableError("x"), UnavailableError("x"), started)

    assert agent.run() is ExitCode.OK
    assert "ETCD_PROXY=off" in host.peers_file.read_text()


def test_watching_keeps_the_last_good_file_and_goes_on(start: Start, host: Host) -> None:
    changed = a_record(*two_others()[:1])
    agent, clock = start(VOTERS, UnavailableError("x"), "{", None, VOTERS, changed, PROXY_ASG="etcd")
    assert agent.run() is ExitCode.OK
    first = host.peers_file.read_text()
    seen = []
    agent.log = lambda event, **_fields: seen.append((event, host.peers_file.read_text() == first))
    clock.stop_after = clock.now + 500

    with pytest.raises(KeyboardInterrupt):
        agent.watch(60)

    assert seen[:6] == [
        ("watching", True),
        ("kept", True),
        ("kept", True),
        ("kept", True),
        ("write", True),
        ("write", False),
    ]
    assert all(30 <= seconds <= 90 for seconds in clock.sleeps)


def test_backing_off_grows_to_half_a_minute_and_never_to_nothing() -> None:
    assert [backoff.after_failures(n, 1.0) for n in (1, 2, 3, 6, 99)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert backoff.after_failures(5, 0.0) > 0


def test_a_record_that_came_too_late_is_void_and_the_next_one_is_waited_for(start: Start, host: Host) -> None:
    late, again = (a_record(an_entry(), *two_others(), follows=n) for n in (VERSION - 2, VERSION - 1))
    agent, clock = start(late, late, again)

    assert agent.run() is ExitCode.OK

    assert len(clock.sleeps) == 2
    assert host.peers_file.exists()


def test_a_member_with_data_does_not_wait_for_it_for_long(start: Start, host: Host) -> None:
    host.has_run_before()
    file = host.has_peers_file()
    agent, clock = start(a_record(an_entry(started=True), *two_others(), follows=VERSION - 2))

    assert agent.run() is ExitCode.OK

    assert 10 <= clock.now - 1000 < 60
    assert host.peers_file.read_text() == file
