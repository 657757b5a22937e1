"""What a host's boot costs: the agent against the seed's script, on the same local AWS, with the same Python.

A boot is a whole run: identity and role credentials, what AWS knows, the peers file written. Cases take turns, so that
a busy machine is busy for all of them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import agent_pythons
from benchmarks.figures import Figures, table
from benchmarks.part import Goal, Part, Row
from benchmarks.pictures import OURS, SEED, picture
from benchmarks.processes import Cost, cost_of, peak_of_all, size_mib
from benchmarks.seed_host import (
    PAUSE_S,
    SCENARIOS,
    OneHostsAws,
    Scenario,
    agent_environment,
    missing_tools,
    seed_command,
    seed_environment,
)
from benchmarks.seed_way import AWSCLI, aws_program
from bootstrap_agent.build import build
from tests.unit.agent.fake_aws import Server

TEN_TIMES: Final = Goal(10, at_least=True)
SEED_WAY: Final = "the seed's script"
WITH_PAUSE: Final = f"{SEED_WAY}, with its pause"
AGENT, FIRST_TLS, NEXT_TLS = "agent", "agent, https: first boot", "agent, https: next boot"
_MEMBER: Final = SCENARIOS[0]


@dataclass
class Boot:
    """One way of booting into one scenario, and what its runs took.

    Attributes:
        env: of the command.
        before: brings the disk to where it is at such a boot.
        together_mib: peak of all its processes together, looked at in a run of its own.
    """

    scenario: Scenario
    way: str
    command: Sequence[str]
    env: Mapping[str, str]
    before: Callable[[], None]
    costs: list[Cost] = field(default_factory=list)
    together_mib: float = 0.0

    @property
    def wall(self) -> Figures:
        """Seconds from start to end."""
        return Figures.of(each.wall_s for each in self.costs)

    @property
    def cpu(self) -> Figures:
        """Seconds of CPU, of all processes."""
        return Figures.of(each.cpu_s for each in self.costs)

    @property
    def rss(self) -> Figures:
        """MiB of the largest process."""
        return Figures.of(each.rss_mib for each in self.costs)


def run(rounds: int) -> Part:
    """Boot a host in all ways so many times."""
    aws = OneHostsAws()
    server = Server(aws)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            bundle = build(folder / "bundle" / "etcd-aws-agent.pyz")
            boots = _boots(bundle, aws.url, folder)
            _measure(boots, aws, rounds)
            sizes = _sizes(bundle)
            aws.play(_MEMBER)
            env = agent_environment(_MEMBER, aws.url, folder, is_https=False)
            pythons, raw = agent_pythons.compare(rounds, folder / "pythons", env)
    finally:
        server.close()
    return Part(
        tuple(rows(boots, sizes)),
        _text(boots, sizes, pythons),
        {"agent": _drawn(boots)},
        {"boots": {f"{each.scenario.name}; {each.way}": _raw(each) for each in boots}, "sizes": sizes, "pythons": raw},
    )


def rows(boots: Sequence[Boot], sizes: Mapping[str, float]) -> list[Row]:
    """Return the rows of the table; none where the seed's script was not run."""
    found = {(each.scenario, each.way): each for each in boots}
    if (_MEMBER, SEED_WAY) not in found:
        return []
    told = []
    for scenario in SCENARIOS:
        ours, theirs = found[scenario, AGENT], found[scenario, SEED_WAY]
        what = f"boot, {scenario.name}"
        told.append(Row(f"{what}: wall", "s", ours.wall, SEED_WAY, theirs.wall, TEN_TIMES))
        told.append(Row(f"{what}: CPU", "s", ours.cpu, SEED_WAY, theirs.cpu, TEN_TIMES))
    ours, theirs, paused = (found[_MEMBER, way] for way in (AGENT, SEED_WAY, WITH_PAUSE))
    what = f"boot, {_MEMBER.name}"
    told += [
        Row(f"{what}: wall", "s", ours.wall, WITH_PAUSE, paused.wall),
        Row(f"{what}, with a certificate: wall", "s", found[_MEMBER, FIRST_TLS].wall, SEED_WAY, theirs.wall),
        Row(f"{what}, with a certificate: CPU", "s", found[_MEMBER, FIRST_TLS].cpu, SEED_WAY, theirs.cpu),
        Row(f"{what}: largest process", "MiB", ours.rss, SEED_WAY, theirs.rss, digits=0),
        Row(
            "on the disk besides Python",
            "MiB",
            Figures.of([sizes["agent, unpacked and compiled"]]),
            "the aws tool",
            Figures.of([sizes["the aws tool"]]),
            digits=1,
        ),
    ]
    return told


def _boots(bundle: Path, url: str, folder: Path) -> list[Boot]:
    # One clean Python for both: a host's own, or the shared one of this machine, may have slow site-packages.
    interpreter = str(aws_program().with_name("python"))

    def forget(*names: str) -> None:
        for each in names:
            path = folder / each
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def first() -> None:
        forget("seed-peers", "etcd-peers", "etcd.life", "pki")

    def again() -> None:
        forget("etcd-peers")

    boots = []
    for scenario in SCENARIOS:
        plain, tls = (agent_environment(scenario, url, folder, is_https=each) for each in (False, True))
        agent = [interpreter, str(bundle)]
        if not missing_tools():
            seed = seed_environment(scenario, url, folder, pause_s=0.0)
            boots.append(Boot(scenario, SEED_WAY, seed_command(), seed, first))
        boots.append(Boot(scenario, AGENT, agent, plain, first))
        if scenario is _MEMBER:
            boots += [Boot(scenario, FIRST_TLS, agent, tls, first), Boot(scenario, NEXT_TLS, agent, tls, again)]
    if not missing_tools():
        paused = seed_environment(_MEMBER, url, folder, pause_s=PAUSE_S)
        boots.append(Boot(_MEMBER, WITH_PAUSE, seed_command(), paused, first))
    return boots


def _measure(boots: Sequence[Boot], aws: OneHostsAws, rounds: int) -> None:
    interpreter = str(aws_program().with_name("python"))
    for number in range(-1, rounds):  # the first one is for the caches
        for boot in boots:
            # The next boot over https is right after the first one, and finds its files.
            if boot.way != NEXT_TLS:
                aws.play(boot.scenario)
            boot.before()
            if number < 0:
                boot.together_mib = peak_of_all(boot.command, boot.env)
                continue
            boot.costs.append(cost_of(interpreter, boot.command, boot.env))


def _sizes(bundle: Path) -> dict[str, float]:
    packages = next((aws_program().parents[1] / "lib").glob("python*/site-packages"))
    ours = [
        path for path in packages.iterdir() if not path.name.startswith(("pip", "setuptools", "pkg_resources", "_d"))
    ]
    tools = [Path(found).resolve() for tool in ("jq", "curl") if (found := shutil.which(tool))]
    return {
        "agent, the file": size_mib([bundle]),
        "agent, unpacked and compiled": size_mib([bundle, *bundle.parent.glob("etcd-aws-agent-*/")]),
        "the aws tool": size_mib(ours),
        "jq and curl, without their libraries": size_mib(tools),
    }


def _text(boots: Sequence[Boot], sizes: Mapping[str, float], pythons: str) -> str:
    head = ("boot", "way", "wall s", "CPU s", "largest process MiB", "all together MiB")
    told = [
        (
            each.scenario.name,
            each.way,
            f"{each.wall:.2f}",
            f"{each.cpu:.2f}",
            f"{each.rss:.0f}",
            f"{each.together_mib:.0f}",
        )
        for each in boots
    ]
    missing = missing_tools()
    not_run = f"The seed's script was not run: no {', '.join(missing)} on this machine.\n\n" if missing else ""
    disk = table(("on the disk, besides Python", "MiB"), [(name, f"{size:.1f}") for name, size in sizes.items()])
    return (
        f"{not_run}{table(head, told)}\n\n{disk}\n\n"
        "![wall and CPU of a boot](performance/agent.svg)\n\n"
        f"The aws tool is {AWSCLI}.\n\n"
        f"The agent joining three, over http, under each Python of this machine:\n\n{pythons}"
    )


def _drawn(boots: Sequence[Boot]) -> str:
    """Draw wall and CPU of each boot, the medians with their spread."""
    drawn = [each for each in boots if each.way != WITH_PAUSE]
    with picture(rows=2, height=5.0) as figure:
        for axes, (name, figures) in zip(
            figure.axes, (("wall", [each.wall for each in drawn]), ("CPU", [each.cpu for each in drawn])), strict=True
        ):
            medians = [each.median or 0.0 for each in figures]
            below = [each - min(one.values) for each, one in zip(medians, figures, strict=True)]
            above = [max(one.values) - each for each, one in zip(medians, figures, strict=True)]
            colours = [SEED if each.way == SEED_WAY else OURS for each in drawn]
            axes.barh(range(len(drawn)), medians, xerr=(below, above), color=colours, ecolor="#333333", capsize=2)
            axes.set_yticks(range(len(drawn)), labels=[f"{each.scenario.name}: {each.way}" for each in drawn])
            axes.invert_yaxis()
            axes.set_xlabel(f"{name}, s")
        return figure.svg()


def _raw(boot: Boot) -> dict[str, object]:
    return {"runs": [vars(each) for each in boot.costs], "together_mib": boot.together_mib}
