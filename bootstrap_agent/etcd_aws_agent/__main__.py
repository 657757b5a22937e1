"""Command line of the agent."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from etcd_aws_agent.aws_api import GroupTags, ParameterStore, SignedService
from etcd_aws_agent.clock import SystemClock
from etcd_aws_agent.credentials import CredentialChain
from etcd_aws_agent.errors import AgentError, ExitCode, MetadataError, SettingsError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.imds import MetadataService
from etcd_aws_agent.plan import Action
from etcd_aws_agent.run import Agent
from etcd_aws_agent.settings import Settings

if TYPE_CHECKING:
    from etcd_aws_agent.pki import Certificates

METADATA_PATIENCE_S = 30.0
METADATA_PAUSE_S = 0.5

NO_FLAGS: Mapping[str, Any] = {"dry_run": False, "watch": None, "renew": False}


def log(event: str, **fields: object) -> None:
    """Write one line of key=value to stderr."""
    pairs = [f"{key}={_one_word(str(value))}" for key, value in {"event": event, **fields}.items()]
    print("etcd-aws-agent", *pairs, file=sys.stderr, flush=True)  # noqa: T201


def _one_word(text: str) -> str:
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r'[\s"=]|^$', text) else text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent and return its exit code."""
    options = _flags(sys.argv[1:] if arguments is None else arguments)
    is_dry_run, watch_s, is_renewal = (options.pop(name) for name in ("dry_run", "watch", "renew"))
    environ = {**os.environ, **{name: value for name, value in options.items() if value is not None}}
    try:
        settings = _settings(environ, watch_s)
        if is_renewal and not settings.tls.has_material:
            log("kept", reason="nothing to renew: the agent puts no certificates on this host", exit=0)
            return ExitCode.OK
        agent, certificates = _agent(settings)
        if is_renewal and certificates:
            return certificates.renew()
        if is_dry_run:
            return _dry_run(agent, certificates)
        exit_code = certificates.obtain() if certificates else ExitCode.OK
        if exit_code is ExitCode.OK:
            exit_code = agent.run()
        if watch_s is not None and exit_code is ExitCode.OK:
            signal.signal(signal.SIGTERM, _stop)
            agent.watch(watch_s)
    except AgentError as error:
        exit_code = error.exit_code
        log("failed", reason=error, exit=int(exit_code))
    except OSError as error:
        exit_code = ExitCode.CANNOT_WRITE
        log("failed", reason=error, exit=int(exit_code))
    return exit_code


def _flags(arguments: Sequence[str]) -> dict[str, Any]:
    if not arguments:
        return dict(NO_FLAGS)
    from etcd_aws_agent.flags import parser  # noqa: PLC0415 - at a boot there are no flags

    return vars(parser().parse_args(arguments))


def _settings(environ: Mapping[str, str], watch_s: float | None) -> Settings:
    settings = Settings.from_environ(environ)
    if watch_s is not None and not (settings.is_proxy and watch_s >= 1):
        raise SettingsError(f"--watch {watch_s:g}; expected 1 or more, and PROXY_ASG: a member's file is for its start")
    for name in settings.ignored:
        log("warning", reason=f"{name} has no meaning any more and is ignored")
    return settings


def _agent(settings: Settings) -> tuple[Agent, Certificates | None]:
    """Return what follows the record, and what gets certificates; the time that they have together begins now."""
    clock = SystemClock()
    identity = _identity(settings, clock)
    credentials = CredentialChain(metadata_endpoint=settings.metadata_endpoint)
    services = {
        name: SignedService(name, endpoint=endpoint, region=identity.region, credentials=credentials)
        for name, endpoint in (("ssm", settings.ssm_endpoint), ("autoscaling", settings.autoscaling_endpoint))
    }
    parameters = ParameterStore(services["ssm"])
    certificates = None
    if settings.tls.has_material:
        from etcd_aws_agent.pki_wiring import certificates_of  # noqa: PLC0415 - hosts without TLS need not load it

        certificates = certificates_of(
            settings, identity, credentials=credentials, parameters=parameters, clock=clock, log=log
        )
    agent = Agent(
        settings=settings,
        identity=identity,
        parameters=parameters,
        groups=GroupTags(services["autoscaling"]),
        clock=clock,
        log=log,
    )
    return agent, certificates


def _identity(settings: Settings, clock: SystemClock) -> Identity:
    service = MetadataService(settings.metadata_endpoint)
    patience_s = min(METADATA_PATIENCE_S, settings.deadline_s or METADATA_PATIENCE_S)
    until = clock.monotonic() + patience_s
    while True:
        try:
            return service.identity(region=settings.region)
        except MetadataError as error:  # noqa: PERF203 - the loop is for this
            # At boot the network may be up a moment later than the agent.
            if error.exit_code is not ExitCode.METADATA_UNAVAILABLE or clock.monotonic() >= until:
                raise
            clock.sleep(METADATA_PAUSE_S)


def _dry_run(agent: Agent, certificates: Certificates | None) -> int:
    if certificates:
        exit_code = _dry_run_of(certificates)
        if exit_code is not ExitCode.OK:
            return exit_code
    look = agent.look()
    decision = look.decision
    log(
        "dry run",
        would=decision.action.value,
        reason=decision.reason,
        moves_data_aside=str(decision.moves_data_aside).lower(),
        file=agent.settings.peers_file,
        exit=int(decision.exit_code),
    )
    if decision.action is Action.WRITE and look.text is not None:
        print(look.text, end="")  # noqa: T201
    return decision.exit_code


def _dry_run_of(certificates: Certificates) -> ExitCode:
    look = certificates.look()
    works = look.best is not None or look.usable
    refusal = ExitCode.MATERIAL_UNUSABLE if look.is_refused else ExitCode.CERTIFICATE_NOT_IN_TIME
    exit_code = ExitCode.OK if works else refusal
    log(
        "dry run",
        certificates="good" if look.is_done else "kept" if works else "missing",
        reason=look.reason,
        directory=certificates.files.directory,
        exit=int(exit_code),
    )
    return exit_code


def _stop(_signal_number: int, _frame: FrameType | None) -> NoReturn:
    # Every write is atomic, so there is nothing to finish.
    sys.exit(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
