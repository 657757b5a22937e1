"""What ``scale`` found, as tables and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.account import Outcome
from benchmarks.counted import BOOT_S
from benchmarks.counts import Counts
from benchmarks.figures import table
from benchmarks.prices import PRICES, bill, bill_of
from benchmarks.quotas import NUMBERS, RATES
from benchmarks.scale_design import design
from benchmarks.scale_model import SLOW_BOOT_S, WARM_TICK_S
from benchmarks.scale_told import Told

_READ: Final = "ssm:GetParameters"
_WRITE: Final = "ssm:PutParameter"
_SOME: Final = 100
_NEVER: Final = 1e6
"""More clusters than anybody has: not worth a figure."""


def text(told: Told) -> str:
    """Return the part's own section of the page."""
    return "\n\n".join(
        (
            "### What a cluster asks for",
            _calls(told),
            _of_booting(told),
            "### What binds first",
            _fits(told),
            "![Use of quotas by number of clusters](performance/scale-quotas.svg)",
            _rates(told),
            _ticks(told),
            _of_app(told),
            "### What it costs",
            _months(told),
            "![Dollars a month by item](performance/scale-cost.svg)",
            _bills(told),
            _of_metrics(told),
            _prices(),
            "### What the design does about it",
            design(told),
        )
    )


def _calls(told: Told) -> str:
    head = ["", *(f"tick, {each.size}" for each in told.clusters), *(f"refresh, {each.size}" for each in told.clusters)]
    settled = [each.settled for each in told.clusters]
    refreshes = [each.refresh for each in told.clusters]
    names = sorted({name for counts in (*settled, *refreshes) for name in counts.aws})
    rows = [
        [f"`{name}`", *(f"{c.aws[name] / c.runs:.2g}" for c in settled), *(str(c.aws[name]) for c in refreshes)]
        for name in names
    ]
    hosts = sorted({name for each in refreshes for name in each.hosts})
    rows += [
        [f"`{name}` of hosts", *("-" for _ in settled), *(str(c.hosts[name]) for c in refreshes)] for name in hosts
    ]
    rows += [
        [
            "**calls to AWS**",
            *(f"{c.aws.total() / c.runs:.2g}" for c in settled),
            *(f"{len(c.timeline):,}" for c in refreshes),
        ],
        [
            "reads of a member",
            *_per_run(settled, lambda c: c.etcd["read"]),
            *(f"{c.etcd['read']:,}" for c in refreshes),
        ],
        ["runs of the function", *("1" for _ in settled), *(f"{c.runs}" for c in refreshes)],
        ["messages", *_per_run(settled, lambda c: c.messages), *(f"{c.messages}" for c in refreshes)],
        ["log, bytes", *_per_run(settled, lambda c: c.log_bytes), *(f"{c.log_bytes:,}" for c in refreshes)],
        ["seconds", *("-" for _ in settled), *(f"{c.seconds:.0f}" for c in refreshes)],
    ]
    return table(head, rows)


def _per_run(settled: Sequence[Counts], of: Callable[[Counts], int]) -> list[str]:
    return [f"{of(counts) / counts.runs:,.0f}" for counts in settled]


def _of_booting(told: Told) -> str:
    fast, slow = (len(each.refresh.timeline) for each in (told.clusters[0], told.slow))
    zone = told.named.settled.aws["route53:ListResourceRecordSets"]
    changes = sum(calls for name, calls in told.named.refresh.aws.items() if name.startswith("route53:"))
    return (
        f"Each {told.clusters[0].chores_every} minutes a tick looks for requests for certificates, which is "
        f"{len(told.clusters[0].chores)} calls more. A settled tick calls neither Secrets Manager nor KMS: the CA is "
        "read at a cold start, and remembered. "
        f"DNS names add {zone} calls an hour to Route 53, and {changes} in a refresh of three. Each host reads one "
        "parameter an hour: is its certificate due? Where hosts take "
        f"{SLOW_BOOT_S:.0f} s to boot instead of {BOOT_S:.0f} s, a refresh of three makes {slow:,} calls instead of "
        f"{fast:,}: AWS is looked at each 2 s while a newcomer is "
        "awaited. Members are then read each 100 ms; here calls take no time, on AWS there are fewer such reads."
    )


def _fits(told: Told) -> str:
    sources = {each.name: each for each in NUMBERS}
    rows = []
    for name, fits in sorted(told.fits.items(), key=lambda item: item[1]):
        quota = sources[name]
        assumed = " (assumed)" if quota.is_assumed else ""
        rows.append([f"[{name}]({quota.source})", f"{quota.most:,.0f} per {quota.where}{assumed}", f"{fits:,.0f}"])
    return table(("number of", "default quota", "clusters that fit"), rows)


def _rates(told: Told) -> str:
    head = ["calls a second", "quota", "settled clusters that use it up"]
    head += [f"{n:,} settled: mean, peak, refused" for n in told.accounts]
    rows = []
    for rate in RATES:
        uses = [told.outcomes[n, False, False].uses[rate.name] for n in told.accounts]
        quota = f"{rate.per_s:,.0f}" + (f", burst {rate.burst:,.0f}" if rate.burst > rate.per_s else "")
        assumed = " (assumed)" if rate.is_assumed else ""
        rows.append(
            [
                f"[{rate.name}]({rate.source})",
                quota + assumed,
                _number(told.binding[rate.name]),
                *(f"{use.mean:.2f}, {use.peak}, {use.throttled:.0%}" if use.mean else "none" for use in uses),
            ]
        )
    return table(head, rows)


def _ticks(told: Told) -> str:
    head = ("ticks lost, chores' calls left undone", *(f"{n:,}" for n in told.accounts))
    rows = [
        [f"{ticks}, {what}", *(_lost(told.outcomes[n, aligned, refreshing]) for n in told.accounts)]
        for aligned, ticks in ((False, "spread over the minute"), (True, "all in one second"))
        for refreshing, what in ((False, "settled"), (True, "all refreshed within 8 h"))
    ]
    return table(head, rows)


def _lost(outcome: Outcome) -> str:
    return f"{outcome.missed:.1%}, {outcome.undone:.1%}"


def _of_app(told: Told) -> str:
    spread, aligned = told.most_without_loss
    reads, writes = (next(rate.name for rate in RATES if call in rate.calls) for call in (_READ, _WRITE))
    at_once = told.outcomes[_SOME, True, False].uses[reads].throttled
    of_app, of_forming = told.app.uses[writes], told.app_formed.uses[reads]
    return (
        f"Of the sizes in the picture {spread:,} settled clusters is the largest that loses no tick with ticks spread, "
        f"{aligned:,} with all in one second. Of {_SOME} in one second {at_once:.0%} of the tries at Parameter Store's "
        f"reads are refused, and all get through by trying again. An app's {told.app_size} clusters, refreshed at the "
        f"same time, have {of_app.throttled:.0%} of their tries at PutParameter refused; {told.app.failed:.1%} of the "
        "calls are refused twice, which the run's next look, 2 s later, makes good. While they form, within a minute "
        f"and by hosts that all boot for {BOOT_S:.0f} s, the busiest second has {of_forming.peak} tries at reads, and "
        f"{of_forming.throttled:.0%} of all are refused."
    )


def _months(told: Told) -> str:
    months = list(told.months.items())[:2]
    head = ("clusters, a month", "million AWS calls", "million runs", "hours of Lambda", "GB of log", "dollars")
    rows = [
        [
            f"{n:,}, {name}",
            f"{calls * n / 1e6:,.2f}",
            f"{month.runs * n / 1e6:,.3f}",
            f"{month.run_s * n / 3600:,.1f}",
            f"{month.log_bytes * n / 1e9:,.2f}",
            f"{sum(bill_of(month, n).values()):,.2f}",
        ]
        for (name, month), calls in zip(months, told.calls, strict=True)
        for n in told.accounts
    ]
    return table(head, rows)


def _bills(told: Told) -> str:
    bills = {name: bill(month) for name, month in told.months.items()}
    items = sorted(next(iter(bills.values())).items(), key=lambda item: -item[1])
    rows = [[name, *(f"{each[name]:.3f}" for each in bills.values())] for name, dollars in items if dollars]
    rows.append(["**all**", *(f"**{sum(each.values()):.2f}**" for each in bills.values())])
    return table(("dollars of one cluster", *bills), rows)


def _of_metrics(told: Told) -> str:
    settled = next(iter(told.months.values()))
    shown = settled.metrics - int(told.has["metrics with an alarm"])
    saved = shown * PRICES["metric"].dollars + PRICES["dashboard"].dollars
    items = bill(settled)
    least = sum(items[name] for name in ("Lambda", "log", "queue", "traces"))
    return (
        f"What is watched costs more than what runs: metrics, dashboard and alarms are "
        f"{(items['metrics'] + items['dashboard'] + items['alarms']) / sum(items.values()):.0%} of it; runs, messages, "
        f"traces and logs are ${least:.2f}. Of {settled.metrics} metrics {settled.metrics - shown} have an alarm, the "
        f"other {shown} are for the dashboard: both together are ${saved:.2f}, which `etcd:dashboard=false` saves."
    )


def _prices() -> str:
    listed = ", ".join(f"[{price.of}]({price.source}) {price.dollars:g}" for price in PRICES.values())
    return (
        f"Prices: {listed}. A warm tick is taken as {WARM_TICK_S * 1000:.0f} ms. The queue's part is mostly Lambda's "
        "polling of an idle queue, five polls each 20 s (assumed)."
    )


def _number(clusters: float) -> str:
    return f"{clusters:,.0f}" if clusters < _NEVER else "-"
