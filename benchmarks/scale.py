"""Calls, time, quotas and money of 1, 100 and 10,000 clusters in one account: counted, simulated, and on paper.

The calls are those of the shipped controller (``counted``), the things those of the real template. Nothing here was
measured on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks import scale_pictures, scale_told, scale_words
from benchmarks.account import Load, Outcome, binds_at, evenly, simulate
from benchmarks.figures import Figures
from benchmarks.part import Goal, Part, Row
from benchmarks.prices import Month, bill, bill_of
from benchmarks.quotas import NETWORK, NUMBERS, RATES
from benchmarks.scale_model import (
    DECIDING,
    REFRESHES_A_MONTH,
    SLOW_BOOT_S,
    WARM_TICK_S,
    Cluster,
    calls_a_month,
    count,
    month,
    things,
)
from infra.network_costs import monthly
from infra.settings import Settings
from tests.infra.stacks import synthesize

ACCOUNTS: Final = (1, 100, 10_000)
MANY: Final = 1_000
"""Simulated besides: beyond what the first rate lets through, but not beyond all reason."""
SIZES: Final = (1, 3, 10, 30, 100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000)
WORKING_DAY_S: Final = 8 * 3600
APP: Final = 20
"""Clusters that one app deploys at most, and may form or refresh at the same time."""
APP_WITHIN_S: Final = 60
_APP_BEGINS: Final = range(0, APP_WITHIN_S, APP_WITHIN_S // APP)
_TLS: Final = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}


def run(rounds: int) -> Part:
    """Count and simulate. Every round comes to the same, so there is one, whatever is asked for."""
    del rounds
    clusters = [count(size) for size in (3, 5, 9)]
    named, slow = count(3, names=True), count(3, boot_s=SLOW_BOOT_S)
    three = clusters[0]
    has = things(synthesize(_TLS), three.parameters)
    load = three.load
    outcomes = {
        (n, aligned, refreshing): simulate(
            load,
            RATES,
            clusters=n,
            aligned=aligned,
            refreshes=evenly(n, within_s=WORKING_DAY_S, refresh_s=load.refresh_s) if refreshing else (),
        )
        for n in (*ACCOUNTS, MANY)
        for aligned in (False, True)
        for refreshing in (False, True)
    }
    app_formed = simulate(three.forming, RATES, clusters=0, refreshes=_APP_BEGINS, seconds=600)
    settled, weekly = month(three, has, refreshes=0), month(three, has, refreshes=REFRESHES_A_MONTH)
    slower = month(three, has, refreshes=REFRESHES_A_MONTH, tick_s=10 * WARM_TICK_S)
    fits = {each.name: each.clusters(has) for each in NUMBERS}
    binding = {rate.name: binds_at(load, rate) for rate in RATES}
    zone_calls = sum(calls for name, calls in named.settled.aws.items() if name.startswith("route53:"))
    binding |= {rate.name: rate.per_s * 3600 / zone_calls for rate in RATES if rate.name.startswith("Route 53")}
    told = scale_told.Told(
        clusters=clusters,
        named=named,
        slow=slow,
        months={"settled": settled, "a refresh a week": weekly, "and each tick ten times as long": slower},
        calls=[calls_a_month(three, refreshes=each) for each in (0, REFRESHES_A_MONTH)],
        fits=fits,
        binding=binding,
        outcomes=outcomes,
        app=simulate(load, RATES, clusters=APP, refreshes=_APP_BEGINS),
        app_formed=app_formed,
        app_size=APP,
        most_without_loss=[_most_without_loss(load, aligned=aligned) for aligned in (False, True)],
        has=has,
    )
    return Part(
        rows=_rows(three, outcomes, app_formed, settled, weekly),
        text=scale_words.text(told),
        pictures=_pictures(load, binding, fits, settled),
        raw=scale_told.raw(told),
    )


def _most_without_loss(load: Load, *, aligned: bool) -> int:
    sizes = (n for n in SIZES if not simulate(load, RATES, clusters=n, aligned=aligned).missed)
    return max(sizes, default=0)


def _rows(
    three: Cluster,
    outcomes: Mapping[tuple[int, bool, bool], Outcome],
    app_formed: Outcome,
    settled: Month,
    weekly: Month,
) -> tuple[Row, ...]:
    reads, writes = (rate for rate in RATES if rate.name.startswith("Parameter Store"))
    calls = three.settled.aws.total() / three.settled.runs
    dollars, dollars_weekly = (sum(bill(each).values()) for each in (settled, weekly))
    return (
        _row("AWS calls of a settled tick", "calls", calls, "what a decision needs", len(DECIDING), digits=1),
        *(
            _row(
                f"tries at Parameter Store's reads, busiest second, {n:,} settled",
                "1/s",
                outcomes[n, False, False].uses[reads.name].peak,
                "its quota",
                reads.per_s,
                goal=Goal(1),
                digits=0,
            )
            for n in ACCOUNTS
        ),
        _row(
            f"tries at Parameter Store's reads, busiest second, {APP} formed within a minute",
            "1/s",
            app_formed.uses[reads.name].peak,
            "its quota",
            reads.per_s,
            goal=Goal(1),
            digits=0,
        ),
        *(
            _row(
                f"PutParameter, {n:,} refreshed within 8 h",
                "1/s",
                outcomes[n, False, True].uses[writes.name].mean,
                "its quota",
                writes.per_s,
                goal=Goal(1),
            )
            for n in ACCOUNTS
        ),
        _row("a cluster's month, settled", "$", dollars, "its NAT gateway, $", monthly(Settings.from_context({}))),
        _row("a cluster's month with a refresh a week", "$", dollars_weekly, "settled", dollars, digits=3),
    )


def _row(
    what: str, unit: str, ours: float, against: str, its: float, *, goal: Goal | None = None, digits: int = 2
) -> Row:
    return Row(what, unit, Figures.of([ours]), against, Figures.of([its]), goal, digits)


def _pictures(load: Load, binding: Mapping[str, float], fits: Mapping[str, float], settled: Month) -> dict[str, str]:
    spread, aligned = ([simulate(load, RATES, clusters=n, aligned=each) for n in SIZES] for each in (False, True))
    lost = {
        "ticks lost, spread\nover the minute": [outcome.missed for outcome in spread],
        "ticks lost, all\nin one second": [outcome.missed for outcome in aligned],
        "chores' calls left\nundone, spread": [outcome.undone for outcome in spread],
    }
    rates = {name: most for name, most in binding.items() if most != float("inf")}
    numbers = {name: most for name, most in fits.items() if name not in NETWORK}
    bills = {
        f"{n:,}": {name: dollars / n for name, dollars in bill_of(settled, n).items() if dollars} for n in ACCOUNTS
    }
    return {
        "scale-quotas": scale_pictures.quotas(SIZES, rates, numbers, lost),
        "scale-cost": scale_pictures.costs(bills),
    }
