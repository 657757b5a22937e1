"""Bugs in how a member joins."""

from __future__ import annotations

from tests.planted.bug import CHANGES, ETCD, FORMED, LEARNERLESS, READING, Bug, Edit, core

JOINING_BUGS = (
    # Joining
    Bug(
        "two additions are in flight",
        "Bayer#24: member count is unequal",
        core(
            "membership.py",
            "coming = (m for m in formed.membership.members if m.is_learner or not m.is_started)",
            "coming = ()",
        ),
        "learnerless-lenient",
        (FORMED, LEARNERLESS),
        is_blind=True,
    ),
    Bug(
        "a newcomer votes at once",
        "seed L148, crewjam, etcd-cloud-operator: voters, not learners",
        core("membership.py", "    as_learner = formed.membership.supports_learners\n", "    as_learner = False\n"),
        "replace-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a learner is promoted before it has started",
        "etcd before 3.4.24 and 3.5.7; kubeadm#3269",
        core(
            "membership.py",
            "serves = member.is_started and member.member_id in formed.membership.answering",
            "serves = True",
        ),
        "replace-3",
        (FORMED,),
    ),
    Bug(
        "the list is published before the member is added",
        "seed L137",
        core(
            "membership.py",
            "    return Act(\n        action=AddMember(",
            "    if all(m.instance != instance.instance_id for m in formed.record.members):\n"
            "        from dataclasses import replace\n"
            "        from .model import MemberId\n"
            "        first = formed.record.members[0]\n"
            "        mine = replace(first, instance=instance.instance_id, name='', peer_urls=(url,), client_urls=(),\n"
            "                       member_id=MemberId(9), is_started=False)\n"
            "        record = replace(formed.record, members=(*formed.record.members, mine))\n"
            "        return Act(action=PublishRecord(record), reason=Reason.LIST_CHANGED)\n"
            "    return Act(\n        action=AddMember(",
        ),
        "replace-3",
        (FORMED,),
    ),
    Bug(
        "the list is not published again",
        "seed L27: never computed again",
        core("planner.py", "    publish_the_list,\n    remove_the_dead,", "    remove_the_dead,"),
        "replace-3",
        (FORMED,),
    ),
    Bug(
        "members that have not started vanish from the list",
        "etcd-aws-cluster in Go: skips those without client URLs",
        core(
            "publish.py",
            "_entry(view, last, membership, m) for m in membership.members)",
            "_entry(view, last, membership, m) for m in membership.members if m.is_started)",
        ),
        "replace-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a peer URL that is taken is taken for ours",
        "seed L152: 409 is success",
        (
            Edit(
                ETCD + "v3.py",
                "meanings={errors.NO_SUCH_MEMBER: Rejection.TOO_SOON}",
                "success='etcdserver: Peer URLs already exists'",
            ),
        ),
        tests=(CHANGES,),
    ),
    Bug(
        "a newcomer takes over its predecessor's entry",
        "seed L152; etcd#9616",
        core("membership.py", "    if holder:\n", "    if False:\n"),
        tests=(FORMED,),
    ),
    Bug(
        "a learner that never comes is waited for for ever",
        "KubeadmControlPlane: any learner blocks every operation",
        core(
            "membership.py",
            "    return waited >= formed.policy.join_timeout.total_seconds()",
            "    return False",
        ),
        tests=(FORMED,),
    ),
    Bug(
        "a second voter is added before its host is up",
        "seed L148; etcd#3505",
        core("membership.py", "if not as_learner and len(voters) == 1 and", "if False and"),
        tests=(LEARNERLESS,),
    ),
    Bug(
        "a list that nobody vouches for is believed",
        "seed L85: a local, possibly stale read",
        (Edit(ETCD + "v3.py", "        if self._versions.server < _LINEARIZABLE_LIST_SINCE:", "        if False:"),),
        tests=(READING,),
    ),
)
