"""The lab's own door: what happened, who is there, and mischief on demand. JSON over HTTP, on loopback."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from .autoscaling.ports import ApiError
from .faults import Fault

if TYPE_CHECKING:
    from .computers import Computers
    from .faults import Faults
    from .fleet import Ec2Fleet
    from .function import Function
    from .journal import Journal
    from .orders import Orders
    from .player import Player
    from .recorder import Recorder

_LONGEST_WAIT_S: Final = 30.0
_NEVER_S: Final = 1e9


class Control:
    """What can be asked and told.

    Args:
        player: the played Auto Scaling.
        fleet: EC2.
        computers: the hosts.
        journal: what happened.
        faults: what is to go wrong.
        function: the function's processes.
        orders: what the hosts' process is to do.
        recorder: which role called what.
    """

    def __init__(
        self,
        *,
        player: Player,
        fleet: Ec2Fleet,
        computers: Computers,
        journal: Journal,
        faults: Faults,
        function: Function,
        orders: Orders,
        recorder: Recorder,
    ) -> None:
        self._player = player
        self._fleet = fleet
        self._computers = computers
        self._journal = journal
        self._faults = faults
        self._function = function
        self._orders = orders
        self._recorder = recorder

    def get(self, path: str, query: dict[str, str]) -> Any:  # noqa: ANN401  # JSON
        """Answer a question.

        Raises:
            KeyError: there is nothing at that path.
        """
        after, wait = int(query.get("after", "0")), min(float(query.get("wait_s", "0")), _LONGEST_WAIT_S)
        match path:
            case "/transitions":
                return self._journal.after(after, wait)
            case "/instances":
                return self._computers.listing(after, wait)
            case "/calls":
                return self._faults.calls
            case "/permissions":
                return self._recorder.calls()
            case "/orders":
                return self._orders.after(after, wait)
        raise KeyError(path)

    def post(self, path: str, told: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """Do as told.

        Raises:
            KeyError: there is nothing at that path.
            TypeError: a member is unknown.
            ApiError: the instance is unknown, or the hosts refuse.
        """
        match path.split("/")[1:]:
            case ["transitions"]:
                self._journal.add(told)
            case ["pace"]:
                self._pace(told)
            case ["faults"]:
                self._faults.pending.append(Fault(**told))
            case ["faults", "clear"]:
                self._faults.pending.clear()
            case ["calls", "clear"]:
                self._faults.calls.clear()
            case ["boot"]:
                self._computers.boot_delay_s = float(told.get("delay_s", 0.0))
                self._computers.next_boot_delays_s = [float(each) for each in told.get("next_s", [])]
            case ["events"]:
                self._player.post.drop = int(told.get("drop", 0))
                self._player.post.duplicate = int(told.get("duplicate", 0))
            case ["instances", instance_id, "power-off"]:
                self._power_off(instance_id, str(told.get("ec2", "terminated")))
            case ["instances", instance_id, "expire"]:
                self._expire(instance_id)
            case _:
                return self._harm(path, told)
        return {}

    def _kill_function(self, *, after_calls: int = 0, after_effect: bool = False) -> bool:
        if after_calls:
            self._function.aim(after_calls, after_effect=after_effect)
            return False
        return self._function.kill()

    def _harm(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        """Do harm to the hosts and to the function."""
        match path.split("/")[1:]:
            case ["function", "kill"]:
                return {"busy": self._kill_function(**told)}
            case ["boot", "never"]:
                self._computers.next_boot_delays_s[:0] = [_NEVER_S] * int(told["count"])
            case ["renew"]:
                self._orders.give("renew", renew_at=str(told.get("renew_at", "")))
            case ["links"]:
                self._orders.give("cut-links", links=told["cut"])
            case ["instances", instance_id, ("fill-disk" | "free-disk") as what]:
                self._orders.give(what, instance_id=instance_id)
            case ["orders", seq, "done"]:
                self._orders.done(int(seq), str(told["error"]))
            case _:
                raise KeyError(path)
        return {}

    def _pace(self, told: dict[str, Any]) -> None:
        for name, seconds in told.items():
            if not hasattr(self._player.pace, name):
                raise TypeError(f"pace: {name} is not one of launch_s, terminate_s, health_check_s")
            setattr(self._player.pace, name, float(seconds))

    def _power_off(self, instance_id: str, state: str) -> None:
        """The host dies; EC2 says ``terminated``, or ``impaired`` (running, with failing status checks), or nothing."""
        if state not in {"terminated", "impaired", "running"}:
            raise TypeError(f"power-off: ec2 {state!r} is not terminated, impaired or running")
        self._computers.power_off(instance_id)
        with self._player.lock:
            if state == "terminated":
                self._fleet.set_state(instance_id, "terminated")
            elif state == "impaired":
                self._fleet.impair(instance_id)
        self._player.wake()

    def _expire(self, instance_id: str) -> None:
        """The instance's pending lifecycle actions reach their timeout now."""
        with self._player.lock:
            _, instance = self._player.scaling.instance(instance_id)
            for action in instance.actions.values():
                action.deadline = 0.0
        self._player.wake()


class ControlServer:
    """Serves the control of a lab.

    Args:
        control: answers.
        port: port on 127.0.0.1.
    """

    def __init__(self, control: Control, port: int) -> None:
        class Handler(_Handler):
            """Answers for this lab."""

        Handler.control = control
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True

    def serve(self) -> None:
        """Serve until the process ends."""
        self._server.serve_forever(poll_interval=1)


class _Handler(BaseHTTPRequestHandler):
    control: Control
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: in two parts the second would wait 40 ms for the client's ACK

    def do_GET(self) -> None:
        """Answer a question."""
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self._answer(lambda: self.control.get(url.path, query))

    def do_POST(self) -> None:
        """Do as told."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(lambda: self.control.post(self.path, json.loads(body or b"{}")))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # http.server's signature
        """Stay silent: what matters is in the journal."""

    def _answer(self, work: Any) -> None:  # noqa: ANN401  # a callable that answers JSON
        try:
            status, answer = 200, work()
        except KeyError as error:
            status, answer = 404, {"error": f"nothing at {error.args[0]}"}
        except (ApiError, TypeError, ValueError) as error:
            status, answer = 400, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
