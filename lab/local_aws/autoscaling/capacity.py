"""How many instances, and which: desired capacity, unhealthy ones, the warm pool, an instance refresh."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from .model import RESTING_IN_POOL, Group, Instance, Refresh, State
from .ports import ApiError

if TYPE_CHECKING:
    from .lifecycle import Lifecycle
    from .ports import Fleet, Subnet

_PERCENT: Final = 100


class Capacity:
    """Brings groups to their desired capacity.

    Args:
        fleet: EC2.
        lifecycle: launches and terminates.
    """

    def __init__(self, *, fleet: Fleet, lifecycle: Lifecycle) -> None:
        self._fleet = fleet
        self._lifecycle = lifecycle

    def balance(self, group: Group, now: float) -> None:
        """Replace, launch and terminate what is due now."""
        if group.deleting:
            return
        self._replace_unhealthy(group, now)
        if group.refresh:
            self._refresh(group, group.refresh, now)
        target = group.desired + surge(group)
        counted = [i for i in group.counted if i.health == "Healthy" or not group.replaces_before_terminating]
        for _ in range(target - len(counted)):
            if not self._add(group, now):
                break
        for _ in range(len(counted) - target):
            leaver = victim(group, [i for i in group.counted if not i.protected])
            if leaver is None:
                break
            self._lifecycle.terminate(group, leaver, now, "shrinking the capacity to the desired capacity")
        self._size_warm_pool(group, now)

    def _replace_unhealthy(self, group: Group, now: float) -> None:
        """Unhealthy instances go at once, or, if the maintenance policy says so, when a replacement serves."""
        for instance in [i for i in group.instances if i.state is State.IN_SERVICE and i.health != "Healthy"]:
            if group.replaces_before_terminating and len(group.serving) < group.desired:
                continue
            self._lifecycle.terminate(
                group, instance, now, "an instance was taken out of service in response to a health check"
            )

    def _add(self, group: Group, now: float) -> bool:
        cause = "increasing the capacity to the desired capacity"
        resting = [i for i in group.warm if i.state in RESTING_IN_POOL]
        if resting:
            zones = [i.zone for i in group.counted]
            self._lifecycle.wake(group, min(resting, key=lambda i: (zones.count(i.zone), i.launched_at)), now, cause)
            return True
        return self._launch(group, now, group.counted, cause, pool=False)

    def _launch(self, group: Group, now: float, beside: list[Instance], cause: str, *, pool: bool) -> bool:
        subnets = self._fleet.subnets(group.subnets)
        if not subnets:
            return False
        try:
            template = self._fleet.template(launch_template(group))
            self._lifecycle.launch(group, emptiest(subnets, beside), template, now, cause=cause, pool=pool)
        except ApiError:
            return False
        return True

    def _size_warm_pool(self, group: Group, now: float) -> None:
        pool = group.warm_pool
        if pool is None:
            return
        prepared = group.max_size if pool.max_prepared is None else pool.max_prepared
        size = 0 if pool.deleting else max(pool.min_size, prepared - group.desired, 0)
        for _ in range(size - len(group.warm)):
            if not self._launch(group, now, group.warm, "filling the warm pool", pool=True):
                break
        for instance in group.warm[size:]:
            self._lifecycle.terminate(group, instance, now, "shrinking the warm pool")
        if pool.deleting and not any(i.state.in_warm_pool for i in group.instances):
            group.warm_pool = None

    def _refresh(self, group: Group, refresh: Refresh, now: float) -> None:
        """Replace old instances, as many at a time as the percentages allow (a rolling update)."""
        here = {i.instance_id: i for i in group.instances if i.counts}
        refresh.old &= set(here)
        if refresh.status == "Cancelling":
            _end(refresh, "Cancelled", now)
            return
        warm = [i for i in group.serving if _warmed_up(i, refresh, now)]
        new_and_ready = [i for i in warm if i.instance_id not in refresh.old]
        if not refresh.old and len(new_and_ready) >= group.desired:
            _finish(group, refresh, now)
            return
        ready = [i for i in group.serving if i.instance_id in refresh.old or i in new_and_ready]
        floor = group.desired if refresh.launches_first else group.desired - batch(group, refresh)
        replaceable = [
            here[i]
            for i in refresh.old
            if here[i].state is State.IN_SERVICE and (refresh.replaces_protected or not here[i].protected)
        ]
        for _ in range(min(len(ready) - floor, len(replaceable))):
            leaver = victim(group, replaceable)
            if leaver is None:
                break
            replaceable.remove(leaver)
            refresh.old.discard(leaver.instance_id)
            self._lifecycle.terminate(group, leaver, now, "instance refresh: the instance is replaced")


def launch_template(group: Group) -> dict[str, str]:
    """The launch template to use now: of the running refresh, if it brings one, else of the group."""
    wanted = (group.refresh.desired_configuration if group.refresh else {}).get("LaunchTemplate")
    return dict(wanted) if wanted else group.launch_template


def emptiest(subnets: list[Subnet], beside: list[Instance]) -> Subnet:
    """The subnet in the zone, and then the subnet, that has the fewest of the instances."""
    zones = [i.zone for i in beside]
    used = [i.subnet_id for i in beside]
    return min(subnets, key=lambda s: (zones.count(s.zone), used.count(s.subnet_id)))


def victim(group: Group, candidates: list[Instance]) -> Instance | None:
    """The default termination policy: the fullest zone, there the oldest launch template, of these the oldest."""
    if not candidates:
        return None
    zones = [i.zone for i in group.counted]
    most = max(zones.count(i.zone) for i in candidates)
    current = group.launch_template

    def rank(instance: Instance) -> tuple[bool, int, float]:
        template = instance.launch_template
        same = template.get("LaunchTemplateId") == current.get("LaunchTemplateId")
        return same, int(template.get("Version") or 0) if same else 0, instance.launched_at

    return min((i for i in candidates if zones.count(i.zone) == most), key=rank)


def batch(group: Group, refresh: Refresh) -> int:
    """How many instances the refresh replaces at a time: at least one, whatever the percentages say."""
    if refresh.launches_first:
        return max(1, math.floor(group.desired * refresh.max_healthy_percent / _PERCENT) - group.desired)
    return max(1, group.desired - math.ceil(group.desired * refresh.min_healthy_percent / _PERCENT))


def surge(group: Group) -> int:
    """How many instances more than desired an instance refresh wants at the moment."""
    refresh = group.refresh
    if refresh is None or not refresh.launches_first:
        return 0
    return min(batch(group, refresh), len(refresh.old))


def _warmed_up(instance: Instance, refresh: Refresh, now: float) -> bool:
    return instance.in_service_since is not None and now - instance.in_service_since >= refresh.warmup_s


def _end(refresh: Refresh, status: str, now: float) -> None:
    refresh.status, refresh.ended_at = status, now


def _finish(group: Group, refresh: Refresh, now: float) -> None:
    _end(refresh, "Successful", now)
    wanted = refresh.desired_configuration.get("LaunchTemplate")
    if wanted:
        group.launch_template = dict(wanted)
