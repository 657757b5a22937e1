"""Looks at a group before it is attached to, and changes nothing: ``python -m infra.attach GROUP``.

Ends with 0 if nothing forbids it, 1 if something does, 2 if it could not be found out.
"""

import argparse
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.attach.facts import Facts
from infra.attach.preflight import preflight, recommendations
from infra.attach.reader import read_facts


def main(arguments: list[str] | None = None) -> int:
    """Print what was found, what forbids to attach, what is better changed, and how to deploy; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.attach", description="Looks at a group before it is attached to; changes nothing."
    )
    parser.add_argument("group", help="name of the Auto Scaling group")
    parser.add_argument("--vpc-id", default="", help="what etcd:vpc_id will be; default: the VPC of its subnets")
    parser.add_argument(
        "--members-security-group-id",
        default="",
        help="what etcd:members_security_group_id will be; default: the one that all its instances are in",
    )
    given = parser.parse_args(arguments)
    try:
        facts = _read(given.group, given.vpc_id, given.members_security_group_id)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{given.group} could not be looked at: {error}\n")
        return 2
    refused = preflight(facts)
    lines = [
        *_found(facts),
        *(f"REFUSED      {line}" for line in refused),
        *(f"RECOMMENDED  {line}" for line in recommendations(facts)),
        *([] if refused else _next(facts)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if refused else 0


def _read(name: str, vpc_id: str, group_id: str) -> Facts:
    """Read the facts; with what was not given filled in, where there is one choice only."""
    session = boto3.session.Session()
    facts = read_facts(session, name, vpc_id=vpc_id, members_security_group_id=group_id)
    vpc = vpc_id or _only(facts.vpcs)
    group = group_id or _only(facts.common_groups)
    if (vpc, group) == (vpc_id, group_id):
        return facts
    return read_facts(session, name, vpc_id=vpc, members_security_group_id=group)


def _only(values: frozenset[str]) -> str:
    return next(iter(values)) if len(values) == 1 else ""


def _found(facts: Facts) -> list[str]:
    if facts.groups != 1:
        return []
    states = ", ".join(f"{each} {state}" for each, state in sorted(facts.states.items())) or "none"
    hooks = ", ".join(f"{hook.name} ({hook.transition}, {hook.default_result})" for hook in facts.hooks) or "none"
    return [
        f"group        {facts.name}, {facts.arn}",
        f"attached     {'yes' if facts.is_attached else 'no'}, by the stack {facts.own_stack}",
        f"capacity     {facts.desired} desired, {facts.min_size} to {facts.max_size}",
        f"instances    {states}",
        f"hooks        {hooks}",
        f"VPC          {', '.join(sorted(facts.vpcs)) or 'none'}",
        f"in common    {', '.join(sorted(facts.common_groups)) or 'no security group'}",
    ]


def _next(facts: Facts) -> list[str]:
    return [
        "Nothing forbids it:",
        f"  npx cdk deploy {facts.own_stack} -c etcd:attach=true -c etcd:cluster_name={facts.name} \\",
        f"    -c etcd:vpc_id={facts.wanted_vpc or '...'} \\",
        f"    -c etcd:members_security_group_id={facts.wanted_group or '...'} \\",
        "    -c etcd:etcd_client_scheme=http -c etcd:etcd_peer_scheme=http",
        "or, where the hosts have certificates, -c etcd:pki=own with https (docs/tls.md).",
    ]


if __name__ == "__main__":
    sys.exit(main())
