"""Which changes a running cluster bears, one deployment at a time; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .deployed import Deployed, Version

Minor = tuple[int, int]

_STEPS = "https://etcd.io/docs/latest/upgrades/upgrading-etcd/"
_LAST_OF_2: Minor = (2, 3)

# Where members are replaced by learners, as here, those that were removed can come back as zombies, and voters as
# learners, if an older patch release of the minor before wrote the membership.
LEAST_PATCH: Mapping[Minor, tuple[int, str]] = {
    (3, 5): (26, "https://etcd.io/blog/2025/zombie_members_upgrade/"),
    (3, 6): (11, "https://etcd.io/docs/v3.7/upgrades/upgrade_3_7/"),
}
"""By minor version: the least patch release from which etcd may be upgraded to the next minor, and who says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A member as it is found before a change.

    Attributes:
        name: Its instance, or its endpoint.
        version: What it says it runs; None where it does not answer.
        cluster: The version that it says its cluster has; None where it says none.
        deployed: What its instance was deployed with; None where that is not known.
        problem: Why it does not answer.
    """

    name: str
    version: Version | None = None
    cluster: Minor | None = None
    deployed: Deployed | None = None
    problem: str = ""


def refusal(asked: Deployed, running: Sequence[Running]) -> str:
    """Return why the change is refused, for a person: what runs, what was asked for, what to do. Empty: it may go on.

    Args:
        asked: What is to be deployed.
        running: Every member of the cluster; empty where there is no cluster.
    """
    if all(member.deployed == asked for member in running):
        return ""  # also where none of them answers: nothing is changed
    problems = list(_version_problems(asked, running))
    for deployed in dict.fromkeys(m.deployed for m in running if m.deployed):
        problems += _traffic_problems(asked, deployed)
    return " ".join(dict.fromkeys(problems))


def lags(running: Sequence[Running]) -> bool:
    """Return whether all members run a later minor version than the one that their cluster has agreed on.

    So it is between the upgrade of the last member and the leader's next look, which it takes every 4 s
    (``monitorVersionInterval``, server/etcdserver/server.go), and as long as a downgrade is enabled.
    """
    answered = [m for m in running if m.version is not None]
    if not answered or len(answered) < len(running):
        return False  # it stays where it is until etcd knows the version of each
    return _agreed(answered) < min(_minor(m.version) for m in answered if m.version is not None)


def _version_problems(asked: Deployed, running: Sequence[Running]) -> Iterator[str]:
    wanted = asked.version[:2]
    answered = [m for m in running if m.version is not None]
    if not answered:
        yield (
            f"No member of the running cluster answers ({_silent(running)}), so what this change would do to it is not "
            "known: the versions and schemes that its instances have may be deployed, no others. Bring a majority back "
            "first (docs/runbook.md)."
        )
        return
    current = _agreed(answered)
    runs = f"The cluster runs etcd {_show(current)} ({_versions(answered)}), and {_show(asked.version)} was asked for."
    if wanted == current:
        return
    if wanted < current:
        yield (
            f"{runs} etcd is not downgraded by deploying an older release: new members could not join. Deploy "
            f"{_show(current)}.x; where the data must go back, etcd's own downgrade comes first "
            "(etcdctl downgrade enable, since 3.6)."
        )
        return
    if wanted != _next(current):
        yield (
            f"{runs} etcd is upgraded one minor version at a time: deploy {_show(_next(current))}.x first, and this "
            f"when all members run it ({_STEPS})."
        )
        return
    if len(answered) < len(running):
        yield (
            f"{runs} Not every member answers ({_silent(running)}), so it is not known whether all of them can be "
            "upgraded. Bring them back first, or let the controller replace them."
        )
    yield from _not_ready(runs, current, answered)


def _not_ready(runs: str, current: Minor, answered: Sequence[Running]) -> Iterator[str]:
    """Members that have to run a later patch release of their own minor version first."""
    patch, source = LEAST_PATCH.get(current, (0, ""))
    older = [m for m in answered if m.version and m.version < (*current, patch)]
    if older:
        yield (
            f"{runs} Before that all members have to run {_show(current)}.{patch} or a later {_show(current)} "
            f"({source}); these do not: {_versions(older)}. Deploy that first."
        )


def _traffic_problems(asked: Deployed, running: Deployed) -> Iterator[str]:
    """What would cut members off that were deployed as ``running``."""
    for what, key, port, wanted in (
        ("client", "etcd_client_port", running.client_port, asked.client_port),
        ("peer", "etcd_server_port", running.peer_port, asked.peer_port),
    ):
        if port != wanted:
            yield (
                f"Members listen for {what}s on port {port}, and etcd:{key}={wanted} was asked for: members on two "
                "ports do not reach each other. The ports of a running cluster stay; another cluster can have others."
            )
    before, after = _scheme(running), _scheme(asked)
    if running.schemes != asked.schemes and not (running.transition and asked.transition):
        yield (
            f"Members were deployed with {before}, and {after} was asked for: they would not reach each other. From "
            "http to https it goes in steps, each rolled out: etcd:tls_transition=true, then the https schemes with "
            "it, then without it; back in the opposite order."
        )
    if running.uses_tls and asked.uses_tls:
        yield from _trust_problems(asked, running)


def _trust_problems(asked: Deployed, running: Deployed) -> Iterator[str]:
    if running.pki != asked.pki:
        yield (
            f"Members have certificates of etcd:pki={running.pki}, and {asked.pki} was asked for: neither trusts the "
            "other. Go back to http first, in steps, or deploy another cluster."
        )
    elif asked.pki == "automatic" and (asked.signs not in running.trusts or running.signs not in asked.trusts):
        yield (
            f"Members have certificates of CA {running.signs} and trust {_list(running.trusts)}; CA {asked.signs}, and "
            f"trust in {_list(asked.trusts)}, was asked for: old and new members would not trust each other. Each "
            "rollout changes either etcd:ca_trusted or etcd:ca_signing: the new CA is trusted before it signs, the "
            "old one until all are replaced."
        )
    if asked.peers == "checked" and running.pki == asked.pki and not running.peers:
        yield (
            "Members have certificates that do not say that they are members', for an earlier release made them, and "
            "etcd:peer_cn_check=true was asked for: new members would refuse them as peers. Deploy "
            "etcd:peer_cn_check=false first, and this when all instances are replaced."
        )


def _agreed(answered: Sequence[Running]) -> Minor:
    return min(m.cluster or _minor(m.version) for m in answered if m.version is not None)


def _next(version: Minor) -> Minor:
    return (3, 0) if version == _LAST_OF_2 else (version[0], version[1] + 1)


def _minor(version: Version) -> Minor:
    return version[0], version[1]


def _show(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _list(numbers: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _versions(members: Sequence[Running]) -> str:
    return ", ".join(f"{m.name} {_show(m.version)}" for m in members if m.version)


def _silent(members: Sequence[Running]) -> str:
    return "; ".join(f"{m.name}: {m.problem}" for m in members if m.version is None)


def _scheme(deployed: Deployed) -> str:
    transition = " in transition" if deployed.transition else ""
    return f"{deployed.client_scheme} for clients, {deployed.peer_scheme} for peers{transition}"
