"""What the design does about quotas, in words that go with the figures."""

from __future__ import annotations

from benchmarks.quotas import HIGHER_BY_PATH, NETWORK, RATES
from benchmarks.scale_told import Told


def design(told: Told) -> str:
    """Return a list in Markdown."""
    return "\n".join(
        f"- {point}" for point in (_things(told), _lost_ticks(told), _chores(told), _settled(), _refresh(told))
    )


def _things(told: Told) -> str:
    reads = next(rate for rate in RATES if "ssm:GetParameters" in rate.calls)
    first, fits = min(((n, f) for n, f in told.fits.items() if n not in NETWORK), key=lambda item: item[1])
    load, most = told.clusters[0].load, told.accounts[-1]
    by_path = load.chores.count("ssm:GetParametersByPath") / load.chores_every
    return (
        "**Things fill an account before calls do.** With a VPC of its own a cluster is one of "
        f"{told.fits['VPCs']:.0f} "
        f"in a region. In a given VPC {first} are full first, with {fits:,.0f} clusters, which use "
        f"{fits / told.binding[reads.name]:.0%} of Parameter Store's reads. These quotas can be raised on request. "
        f"{most:,} clusters are too many for one account and region all the same: "
        f"{told.outcomes[most, False, False].missed:.0%} of their ticks would be lost. Parameter Store's "
        "higher throughput "
        f"is {HIGHER_BY_PATH} GetParametersByPath a second, what "
        f"{HIGHER_BY_PATH * load.period_s / by_path:,.0f} clusters ask for. Take more accounts or "
        "regions: an app deploys "
        f"up to {told.app_size} clusters, and knows nothing of other apps."
    )


def _lost_ticks(told: Told) -> str:
    return (
        "**A lost tick is made good by the next**, for a run decides by what it sees and not by what it "
        "was told. Up to "
        f"{told.most_without_loss[0]:,} clusters, what a decision needs gets through within seconds. Beyond that they "
        "are looked at ever more seldom, and the alarm `Silent` rings where none of five ticks was done."
    )


def _chores(told: Told) -> str:
    load = told.clusters[0].load
    reads = next(rate for rate in RATES if "ssm:GetParameters" in rate.calls)
    others = min(clusters for name, clusters in told.binding.items() if name != reads.name)
    return (
        "**Chores share a quota with decisions, and ask little of it.** Requests for certificates are looked for, by "
        f"{len(load.chores)} reads of parameters as the record is one, when an event tells of one; besides each "
        f"{load.chores_every} minutes, for an event may be lost, and in each tick while a member does not answer. "
        "Where reads get scarce these are left for the next tick first, and the alarm `ChoreErrors` rings where that "
        f"is so five times in a row. With them reads are full at {told.binding[reads.name]:,.0f} clusters, other calls "
        f"at {others:,.0f}."
    )


def _settled() -> str:
    return (
        "**A settled cluster writes nothing**: no parameter, no name, no secret; metrics go out with "
        "the log. Route 53, "
        "5 calls a second in a whole account, is asked each ten minutes, and let alone for half a "
        "minute after a failure."
    )


def _refresh(told: Told) -> str:
    writes = next(rate for rate in RATES if "ssm:PutParameter" in rate.calls)
    puts = sum(call.name in writes.calls for call in told.clusters[0].refresh.timeline)
    return (
        f"**A refresh needs PutParameter most**, {puts} times for three members: an account can refresh "
        f"{writes.per_s * 3600 / puts:,.0f} such clusters an hour."
    )
