"""``make demo``: a real cluster forms, heals, rolls over, grows and shrinks, through the really deployed stack.

Ends with 0 only if every step held. Times are this machine's, from the start of each step.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lab.lab import Lab
from lab.paths import CACHE, LabError
from lab.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_SETTLE_S: Final = 240.0
_PROXIES: Final = "etcd-proxies"
_SHOWN: Final = ("Pending:Wait", "InService", "Terminating:Wait", "Terminated")


def main() -> int:
    """Play it; returns the exit code."""
    began = time.monotonic()
    try:
        with Lab(CACHE / "demo") as lab:
            Demo(lab).play()
    except LabError as error:
        print(f"\nNOT HELD: {error}", file=sys.stderr)
        return 1
    print(f"\nEvery step held, in {time.monotonic() - began:.0f} s. To play yourself: make lab-up")
    return 0


class Demo:
    """The story, step by step.

    Args:
        lab: a started lab.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def play(self) -> None:
        """Play all of it.

        Raises:
            LabError: a step did not hold.
        """
        self.form()
        self.follow_along()
        with Writer(self._lab.client_urls, self._lab.tls) as writer:
            for title, step in (
                ("A host dies: kill -9 of its etcd and everything else on it", self.lose_a_host),
                ("Instance refresh: all three instances are replaced", self.refresh),
                ("Scale 3 -> 5", lambda: self.scale(5)),
                ("Scale 5 -> 3", lambda: self.scale(3)),
            ):
                self._under_writes(writer, title, step)
        self.check_writes(writer)
        self.show()

    def form(self) -> None:
        """Deploy, and have three instances form a cluster."""
        with self._step("cdk deploy into the local AWS (real CLI, real stack)") as say:
            self._lab.deploy()
            say("deployed")
        with self._step("Three instances form a cluster", since=self._first_launch()) as say:
            self._lab.wait_in_service(3, _SETTLE_S)
            self._narrate(say, after=0)
            self._expect_voters(3)

    def follow_along(self) -> None:
        """Have a proxy host of another group follow the cluster, found by its Name tag."""
        with self._step("A proxy host of another group follows (PROXY_ASG, ASG_BY_TAG)") as say:
            self._lab.add_proxy_group(_PROXIES, by_tag=True)
            self._lab.wait_in_service(1, _SETTLE_S, _PROXIES)
            (proxy,) = self._lab.instances(_PROXIES)
            self._lab.wait_for(lambda: self._lab.peers_file(proxy), _SETTLE_S, "the proxy's file")
            say(f"{proxy} wrote its file")
            _print_indented(self._lab.peers_file(proxy))

    def lose_a_host(self) -> None:
        """Kill a voter's host, and have it replaced."""
        victim = min(self._lab.etcdctl.voters())
        self._lab.kill(victim)
        self._lab.wait_for(lambda: victim not in self._lab.instances(), _SETTLE_S, f"{victim} to be replaced")
        self._lab.wait_in_service(3, _SETTLE_S)
        self._expect_voters(3, without={victim})

    def refresh(self) -> None:
        """Replace every instance."""
        before = set(self._lab.instances())
        self._lab.refresh()
        self._lab.wait_for(
            lambda: self._lab.refresh_status()[0] not in {"Pending", "InProgress"}, _SETTLE_S, "the refresh to end"
        )
        status, percentage = self._lab.refresh_status()
        if status != "Successful":
            raise LabError(f"the instance refresh ended as {status} at {percentage} %")
        self._lab.wait_in_service(3, _SETTLE_S)
        self._expect_voters(3, without=before)

    def scale(self, count: int) -> None:
        """Grow or shrink."""
        self._lab.scale(count)
        self._lab.wait_in_service(count, _SETTLE_S)
        self._expect_voters(count)

    def check_writes(self, writer: Writer) -> None:
        """Read every acknowledged write back."""
        with self._step("Every acknowledged write is there") as say:
            verdict = writer.verify()
            if verdict.lost or not verdict.acknowledged:
                raise LabError(f"{len(verdict.lost)} of {verdict.acknowledged} writes are lost: {verdict.lost[:5]}")
            say(
                f"{verdict.acknowledged} of {verdict.acknowledged} writes found, {verdict.failures} tries repeated, "
                f"longest gap {verdict.longest_gap_s:.2f} s"
            )

    def show(self) -> None:
        """Show what a person would look at."""
        with self._step("How things stand") as say:
            say("etcdctl member list")
            _print_indented(self._lab.etcdctl.run("member", "list", "--write-out=table"))
            newest = min(self._lab.instances())
            say(f"/etc/sysconfig/etcd-peers of {newest}, as its agent wrote it at boot")
            _print_indented(self._lab.peers_file(newest))
            record = self._lab.record() or {}
            wanted = {url for member in record["members"] for url in member["peer_urls"]}
            (proxy,) = self._lab.instances(_PROXIES)
            self._lab.wait_for(
                lambda: all(url in self._lab.peers_file(proxy) for url in wanted), _SETTLE_S, "the proxy to catch up"
            )
            say(f"/etc/sysconfig/etcd-peers of the proxy {proxy}, which followed along")
            _print_indented(self._lab.peers_file(proxy))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _under_writes(self, writer: Writer, title: str, step: Callable[[], None]) -> None:
        after, began = self._lab.newest_transition(), time.monotonic()
        with self._step(f"{title}, under writes") as say:
            step()
            self._narrate(say, after=after)
            gap, _ = writer.longest_gap(since=began)
            say(f"longest time without an acknowledged write: {gap:.2f} s")

    @contextmanager
    def _step(self, title: str, *, since: float | None = None) -> Iterator[Callable[..., None]]:
        print(f"\n== {title}")
        began = time.monotonic() if since is None else since

        def say(text: str, at: float | None = None) -> None:
            print(f"{(time.monotonic() if at is None else at) - began:8.2f} s  {text}", flush=True)

        yield say

    def _narrate(self, say: Callable[..., None], *, after: int) -> None:
        """Tell what the journal saw."""
        for each in self._lab.transitions(after=after):
            if each.get("group") == _PROXIES:
                continue
            if each["kind"] == "lifecycle" and each["to"] in _SHOWN:
                say(f"{each['instance']} is {each['to']}", at=each["at"])
            elif each["kind"] == "host" and each["to"] in {"etcd-started", "etcd-ended"}:
                say(f"{each['instance']}   {each['to'].replace('-', ' ')}", at=each["at"])

    def _first_launch(self) -> float | None:
        moments = [each["at"] for each in self._lab.transitions() if each["kind"] == "lifecycle"]
        return min(moments, default=None)

    def _expect_voters(self, count: int, *, without: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Raise LabError unless the voters are exactly the instances in service, and none of ``without``."""
        voters, serving = self._lab.etcdctl.voters(), set(self._lab.instances())
        if voters != serving or len(voters) != count or voters & without:
            raise LabError(f"expected {count} voters, the instances {serving}, without {without}; found {voters}")


def _print_indented(text: str) -> None:
    print("".join(f"            {line}\n" for line in text.splitlines()), end="")


if __name__ == "__main__":
    sys.exit(main())
