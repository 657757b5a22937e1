"""Command line of the agent."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

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

HELP = """\
environment (a flag wins over its variable):
  CLUSTER_NAME          the Auto Scaling group that this instance's etcd belongs to
  PROXY_ASG             be a proxy (etcd 2.x) in front of this group's cluster instead
  ASG_BY_TAG            if set, PROXY_ASG is the value of the group's Name tag, not its name
  ETCD_CLIENT_SCHEME    http or https (default http); ETCD_PEER_SCHEME likewise
  ETCD_CLIENT_PORT      default 2379; ETCD_SERVER_PORT, the peer port, default 2380
  ETCD_LISTEN_LOOPBACK  on or off (default on): serve clients on 127.0.0.1 as well
  ETCD_PEERS_KEYS       all or seed (default all): with seed, only the keys that the seed wrote,
                        for units that set URLs by flags: etcd ends when it has both
  ETCD_DATA_DIR         default /var/lib/etcd; the life marker is <dir>.life beside it
  ETCD_PEERS_FILE       default /etc/sysconfig/etcd-peers
  AGENT_DEADLINE_S      how long to wait for the record, default 3600; 0 is for ever
  ETCD_PKI              off, automatic (the controller makes the certificate) or own (default off)
  HOST_TLS_SOURCE       own: ARN of a secret, or ssm:/name of a SecureString, with a JSON object of
                        ca, cert and key (PEM); {instance_id}, {private_ip} are filled in;
                        not set: the certificates come with the image
  ETCD_PKI_DIR          default /etc/etcd/pki: host.key, host.crt, ca.crt
  ETCD_USER             their owner, if the agent is root and the user exists, default etcd
  ETCD_TLS_TRANSITION   on or off (default off): serve clients with and without TLS on one port
  ETCD_PEER_CN_CHECK    on or off (default off): automatic: etcd takes no client as a peer
  CERTIFICATE_RENEW_AT  part of a certificate's life, default 0.5
  AWS_REGION            or AWS_DEFAULT_REGION; else the instance's own
  AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL_AUTO_SCALING,
  AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_EC2_METADATA_SERVICE_ENDPOINT,
  AWS_CA_BUNDLE, AWS_PROFILE, AWS_ACCESS_KEY_ID ...
                        as in every AWS tool

exit codes:
   0  the file is written, or rightly kept as it was
   1  region unknown         2  instance id unknown     3  private IPv4 address unknown
   4  group unknown: CLUSTER_NAME is not set, or ASG_BY_TAG finds no group or several
  11  the instance metadata service (IMDSv2) does not answer
  12  not listed in a record by the deadline
  13  record not readable by the deadline (AWS unreachable, throttled, refused, no credentials)
  14  the record is corrupt or of another schema
  15  refused: this member was removed from its cluster
  16  refused: the member's data was lost; replace the instance
  17  refused: the data is of another cluster
  18  refused: the address is not the one in the record
  19  the disk cannot be read or written
  20  no certificate by the deadline (not issued, source not there, AWS unreachable)
  21  the openssl command is missing or fails
  22  refused: own key, certificate and CAs do not work together, or not for this address, or not now
  23  --renew, and there is nothing to renew
  64  wrong flag or setting
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own 2 is the seed's "instance id unknown".
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="etcd-aws-agent",
        description="Write /etc/sysconfig/etcd-peers for the etcd of this EC2 instance, from the cluster's record.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for variable in ("CLUSTER_NAME", "PROXY_ASG", "ASG_BY_TAG", "ETCD_DATA_DIR", "ETCD_PEERS_FILE", "AGENT_DEADLINE_S"):
        flag = "--" + variable.lower().replace("_", "-")
        parser.add_argument(flag, dest=variable, metavar="VALUE", help=f"instead of {variable}")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--dry-run", action="store_true", help="print the decision and the file; change nothing")
    ways.add_argument("--watch", type=float, metavar="SECONDS", help="proxies: then refresh the file for ever")
    ways.add_argument("--renew", action="store_true", help="for a timer: renew the certificate if it is due, no more")
    return parser


def log(event: str, **fields: object) -> None:
    """Write one line of key=value to stderr."""
    pairs = [f"{key}={_one_word(str(value))}" for key, value in {"event": event, **fields}.items()]
    print("etcd-aws-agent", *pairs, file=sys.stderr, flush=True)  # noqa: T201


def _one_word(text: str) -> str:
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r'[\s"=]|^$', text) else text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent and return its exit code."""
    options = vars(_parser().parse_args(arguments))
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
