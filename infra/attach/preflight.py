"""What forbids to attach to a group, and what is better changed before: pure, by the facts alone."""

import re
from collections.abc import Iterator

from infra.attach.facts import Facts
from infra.names import parameter_prefix
from infra.settings import SIZES

_AGENT = re.compile(r"etcd-aws-agent|/etc/etcd-aws-cluster/agent\.env")
_OLD_WAY = re.compile(r"monsantoco/etcd-aws-cluster|docker run[^\n]*etcd-aws-cluster")
_AT_REST = frozenset({"InService", "Standby"})
_NEEDED = ("Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "InstanceRefresh")
_SHORT_GRACE_S = 60
_HOOKS = 2


def preflight(facts: Facts) -> list[str]:
    """Return why the group must not be attached to, a line for each reason; empty if nothing forbids it.

    A group that is attached already is only held to what would hurt it now: its own instances may come and go.
    """
    if facts.groups != 1:
        return [f"{facts.groups} Auto Scaling groups of this account and region are named {facts.name!r}, expected 1"]
    return [*_whose_group_it_is(facts), *_who_can_be_reached(facts), *([] if facts.is_attached else _at_first(facts))]


def recommendations(facts: Facts) -> list[str]:
    """Return what is allowed and better otherwise, with what to do about it."""
    if facts.groups != 1:
        return []
    return [*_of_capacity(facts), *_of_policies(facts), *_of_health(facts), *_of_hosts(facts), *_of_others(facts)]


def _whose_group_it_is(facts: Facts) -> Iterator[str]:
    if facts.stack and facts.stack == facts.own_stack:
        yield (
            f"the stack {facts.stack} made this group: with etcd:attach it would delete it, and every member with it; "
            "leave etcd:attach out"
        )
    if facts.is_deleting:
        yield "the group is being deleted"
    if facts.counts_in:
        yield (
            f"its capacity is counted in {facts.counts_in}, expected instances: the desired capacity would be taken "
            "for that many voters"
        )


def _who_can_be_reached(facts: Facts) -> Iterator[str]:
    if facts.wanted_vpc and facts.vpcs != {facts.wanted_vpc}:
        found = ", ".join(sorted(facts.vpcs)) or "no VPC that could be found"
        yield f"etcd:vpc_id is {facts.wanted_vpc}, but the group's subnets are in {found}"
    if not facts.wanted_group:
        return
    if facts.wanted_group_vpc is None:
        yield f"etcd:members_security_group_id is {facts.wanted_group}, and there is no such security group"
    elif facts.wanted_vpc and facts.wanted_group_vpc != facts.wanted_vpc:
        yield (
            f"etcd:members_security_group_id is {facts.wanted_group}, which is in {facts.wanted_group_vpc}, "
            f"and etcd:vpc_id is {facts.wanted_vpc}"
        )
    outside = sorted(each for each, groups in facts.security_groups.items() if facts.wanted_group not in groups)
    if outside:
        # A member that the controller cannot reach is silent to it, and the silent are replaced.
        yield (
            f"{', '.join(outside)} not in the security group {facts.wanted_group}: the controller could not reach "
            "them, and would take them for dead"
        )


def _at_first(facts: Facts) -> Iterator[str]:
    if facts.desired > max(SIZES):
        yield f"{facts.desired} instances are desired, expected at most {max(SIZES)}: etcd gets slower with each member"
    moving = [f"{each} {state}" for each, state in facts.states.items() if state not in _AT_REST]
    if moving:
        yield f"{', '.join(sorted(moving))}: a hook that comes while an instance comes or goes misses it; wait for them"
    if facts.refresh:
        yield f"an instance refresh is under way ({facts.refresh}): let it end, or cancel it"
    for hook in facts.hooks:
        if hook.is_named_as_ours:
            yield (
                f"the hook {hook.name} is there, and no stack {facts.own_stack}: something else answers it, or "
                "nothing; find out what, then delete it (aws autoscaling delete-lifecycle-hook)"
            )
        elif hook.transition == "TERMINATING" and hook.default_result == "ABANDON":
            yield (
                f"the hook {hook.name} for terminating instances has the default result ABANDON, which ends other "
                "hooks too: an instance would go before etcd let it go; put it again with CONTINUE"
            )
    if facts.record and (facts.record.state != "existing" or facts.record.group_arn != facts.arn):
        whose = facts.record.group_arn or "nobody"
        yield (
            f"there is a record of an earlier cluster ({facts.record.state or 'unreadable'}, of {whose}): the "
            f"controller would not adopt this one; delete the parameters below {parameter_prefix(facts.name)}/"
        )


def _of_capacity(facts: Facts) -> Iterator[str]:
    update = f"aws autoscaling update-auto-scaling-group --auto-scaling-group-name {facts.name}"
    if facts.desired == 0:
        yield "no instance is desired: there is no cluster to adopt, and the first ones to come form one"
    elif facts.desired % 2 == 0:
        yield f"{facts.desired} instances are desired, and {facts.desired - 1} tolerate as many failures: make it odd"
    if facts.max_size <= facts.desired:
        yield (
            f"MaxSize is {facts.max_size}, so that no replacement can be launched before an instance goes: "
            f"{update} --max-size {facts.desired + 1}"
        )
    if facts.replaces_first:
        # docs/decisions/0005-stack.md: AWS would wait for the newcomer, and etcd for the silent voter to be gone.
        yield (
            "the instance maintenance policy keeps an unhealthy instance until its replacement is in service, and etcd "
            "lets no replacement in while one of three is silent: neither would end; an instance refresh can launch "
            f"first without it: {update} --instance-maintenance-policy MinHealthyPercentage=-1,MaxHealthyPercentage=-1"
        )
    if not facts.retains:
        yield (
            "an instance whose termination hook runs out is terminated, whatever etcd says, and not retained: "
            f'{update} --instance-lifecycle-policy \'{{"RetentionTriggers": {{"TerminateHookAbandon": "retain"}}}}\''
        )


def _of_policies(facts: Facts) -> Iterator[str]:
    suspended = [process for process in _NEEDED if process in facts.suspended]
    if suspended:
        yield (
            f"suspended: {', '.join(suspended)}; the controller cannot heal the cluster before "
            f"aws autoscaling resume-processes --auto-scaling-group-name {facts.name}"
        )
    if facts.scales_by:
        yield f"{', '.join(facts.scales_by)} may change the number of members; that is better left to a person"
    if facts.has_warm_pool:
        yield "the group has a warm pool: its instances are let pass, and must not start etcd while they are in it"
    if facts.protects_new or facts.protected:
        yield "instances are protected from scale-in: an instance refresh needs ScaleInProtectedInstances=Refresh"


def _of_health(facts: Facts) -> Iterator[str]:
    if "ELB" in facts.health_check_type:
        yield "the group's health check is ELB's: a load balancer that fails has every member replaced; EC2's is better"
        if facts.health_check_grace_s < _SHORT_GRACE_S:
            yield f"its grace period is {facts.health_check_grace_s} s, expected {_SHORT_GRACE_S} or more"
    standby = sorted(each for each, state in facts.states.items() if state == "Standby")
    if standby:
        yield f"{', '.join(standby)} in Standby: their members stay and are counted"


def _of_hosts(facts: Facts) -> Iterator[str]:
    if facts.user_data is None:
        yield "the user data of instances to come could not be read: make sure that it has the agent (docs/agent.md)"
    elif not _AGENT.search(facts.user_data):
        yield (
            "the user data of instances to come does not name the agent: unless their image has it, one that is "
            "launched is not listed by anything on it, its hook runs out, and it is replaced, again and again"
        )
    if facts.user_data and _OLD_WAY.search(facts.user_data):
        yield (
            "the user data of instances to come runs the container etcd-aws-cluster, which evicts and adds members by "
            "itself: give the group a launch template without it right after the deploy, before anything is launched"
        )
    if facts.wanted_group and facts.template_groups is not None and facts.wanted_group not in facts.template_groups:
        yield f"instances to come are not in the security group {facts.wanted_group}: the controller cannot reach them"


def _of_others(facts: Facts) -> Iterator[str]:
    if facts.is_attached and sum(hook.is_named_as_ours for hook in facts.hooks) < _HOOKS:
        yield f"the stack {facts.own_stack} is there, and not both of its hooks: put them again (docs/attach.md)"
    for hook in facts.hooks:
        if not hook.is_named_as_ours:
            yield (
                f"the hook {hook.name} holds {hook.transition.lower()} instances too, until whoever owns it answers; "
                "if it answers ABANDON, ours is over as well"
            )
    if facts.stack and facts.stack != facts.own_stack:
        yield (
            f"the stack {facts.stack} made the group: if its template has LifecycleHookSpecificationList, its next "
            "update takes our hooks away"
        )
    if facts.neighbours:
        yield (
            f"instances of {', '.join(facts.neighbours)} are in the security group {facts.wanted_group} too: if they "
            "have voters of the same cluster, do not attach, for one controller can care for one group only"
        )
