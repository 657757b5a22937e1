"""The command line's flags, and its help."""

from __future__ import annotations

import argparse
from typing import NoReturn

from etcd_aws_agent.errors import ExitCode

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


def parser() -> argparse.ArgumentParser:
    """Return what reads them; an error or `--help` ends the process."""
    flags = _Parser(
        prog="etcd-aws-agent",
        description="Write /etc/sysconfig/etcd-peers for the etcd of this EC2 instance, from the cluster's record.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for variable in ("CLUSTER_NAME", "PROXY_ASG", "ASG_BY_TAG", "ETCD_DATA_DIR", "ETCD_PEERS_FILE", "AGENT_DEADLINE_S"):
        flag = "--" + variable.lower().replace("_", "-")
        flags.add_argument(flag, dest=variable, metavar="VALUE", help=f"instead of {variable}")
    ways = flags.add_mutually_exclusive_group()
    ways.add_argument("--dry-run", action="store_true", help="print the decision and the file; change nothing")
    ways.add_argument("--watch", type=float, metavar="SECONDS", help="proxies: then refresh the file for ever")
    ways.add_argument("--renew", action="store_true", help="for a timer: renew the certificate if it is due, no more")
    return flags
