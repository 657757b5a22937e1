"""Which members are asked, and in which order."""

from __future__ import annotations

from urllib.parse import urlsplit

from .model import LAUNCHING, POOL
from .policy import Policy
from .record import RecordState
from .view import View


def endpoints_to_ask(view: View, policy: Policy) -> tuple[str, ...]:
    """Return the client endpoints that are still to be asked, in a fixed order; empty once everybody has been.

    Asked again with the answers in the view, it names the voters that the record does not tell of: one that is behind
    would have them counted as silent, and a cluster be without a quorum that has one.
    """
    hosts = _hosts_of_the_record(view) | _hosts_of_voters(view)
    asked = {r.endpoint for r in view.readings} | view.asked
    return tuple(sorted({policy.client_url(h) for h in hosts if h} - asked))


def _hosts_of_the_record(view: View) -> set[str | None]:
    """Return who is asked first: the group's instances, and the members of the record wherever they are.

    Addresses come from EC2 and from peer URLs that a quorum confirmed, never from client URLs that a member may
    advertise as it likes. Newcomers of a formed cluster are not asked: nothing runs there, and a host that drops
    packets would slow each look by the connect timeout.
    """
    group, record = view.group, view.stored.record
    recorded = record.members if record and record.state is not RecordState.RETIRED else ()
    listed = {m.instance for m in recorded}
    formed = record is not None and record.state is RecordState.EXISTING
    hosts: set[str | None] = {
        i.private_ip
        for i in group.instances
        if not i.ec2_state.has_ended and i.lifecycle not in POOL
        if not (formed and i.lifecycle in LAUNCHING and i.instance_id not in listed)
    }
    return hosts | {
        urlsplit(m.peer_urls[0]).hostname
        for m in recorded
        if m.peer_urls and not (m.instance and group.ec2_state(m.instance).has_ended)
    }


def _hosts_of_voters(view: View) -> set[str | None]:
    """Return the instances of the group that members have as voters."""
    listed = {m for r in view.readings for m in r.members or () if not m.is_learner}
    named = {urlsplit(url).hostname for m in listed for url in m.peer_urls}
    return named & {i.private_ip for i in view.group.instances if not i.ec2_state.has_ended}
