"""Bugs in who is removed, and in what a quorum is."""

from __future__ import annotations

from tests.planted.bug import APP, FORMED, SCENARIOS, Bug, Edit, core

LEAVING_BUGS = (
    # Who is removed
    Bug(
        "the member that is asked is removed",
        "etcd-manager: removes whom it talks to",
        (
            Edit(
                APP + "execute.py",
                "self._members.remove_member(_door(membership, record, besides=member_id), member_id)",
                "self._members.remove_member(_door(membership, record, besides=member_id), min(membership.serving))",
            ),
        ),
        "replace-3-lenient",
    ),
    Bug(
        "unreachable is taken for absent",
        "seed L85, L102; etcd-bootstrap; crewjam",
        core("formed.py", "            and self.view.group.ec2_state(owner).is_ending\n", ""),
        "replace-3-faults",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "the second look sees what the planner does not",
        "unreachable is taken for absent, once more",
        core("formed.py", "            and self.view.group.ec2_state(owner).is_ending\n", ""),
        "replace-3-faults",
        (FORMED,),
    ),
    Bug(
        "a member out of the group is evicted",
        "seed L67: whoever is not InService is a bad peer",
        core(
            "formed.py",
            "            and self.view.group.ec2_state(owner).is_ending\n"
            "            and member.member_id not in self.membership.answering",
            "            and getattr(self.view.group.find(owner), 'lifecycle', None) != 'InService'",
        ),
        "form-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a member on standby is evicted",
        "seed L67 (c)",
        core(
            "view.py",
            "return instance.lifecycle in LEAVING | POOL or",
            "return instance.lifecycle in LEAVING | POOL | {Lifecycle.STANDBY} or",
        ),
        "refresh-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a retained instance is evicted",
        "the policy that retains it is for people to look",
        core(
            "model.py",
            "Lifecycle.TERMINATING_WAIT, Lifecycle.TERMINATING_PROCEED})",
            "Lifecycle.TERMINATING_WAIT, Lifecycle.TERMINATING_PROCEED, Lifecycle.TERMINATING_RETAINED})",
        ),
        "retain-3",
        (FORMED,),
    ),
    Bug(
        "a member that answers is removed on EC2's word",
        "cluster-etcd-operator: a healthy orphan is for a human",
        core("formed.py", "            and member.member_id not in self.membership.answering\n", ""),
        tests=(FORMED,),
    ),
    Bug(
        "nameless members are removed as nobody's",
        "etcd-bootstrap: removes the first without a name",
        core(
            "formed.py",
            "        owner = self.owner(member)\n        return (\n            owner is not None",
            "        owner = self.owner(member)\n        return not member.is_started "
            "or (\n            owner is not None",
        ),
        "replace-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a member is known by its address",
        "seed L106: a dead member whose address was reused is not bad",
        core(
            "view.py",
            "    if INSTANCE_ID.fullmatch(member.name):",
            "    at = {urlsplit(url).hostname for url in member.peer_urls}\n"
            "    here = next((i.instance_id for i in view.group.instances if i.private_ip in at), None)\n"
            "    if here:\n        return here\n"
            "    if INSTANCE_ID.fullmatch(member.name):",
        ),
        "replace-3-late",
        (FORMED,),
    ),
    # Quorum
    Bug(
        "nobody counts before a removal",
        "seed L116: evictions in a loop",
        core(
            "formed.py",
            "return voters > 0 and survives(voters=voters, unresponsive=silent)",
            "return voters > 0",
        ),
        "replace-3-lenient",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "nobody counts before an addition",
        "seed L148; stups: a joiner cost the quorum",
        core(
            "quorum.py",
            "return voters == 1 or survives(voters=voters + 1, unresponsive=unresponsive + 1)",
            "return True",
        ),
        "replace-3-lenient",
        (FORMED, "tests/unit/core/test_quorum.py"),
        is_blind=True,
    ),
    Bug(
        "a majority is half",
        "off by one",
        core("quorum.py", "return voters // 2 + 1", "return (voters + 1) // 2"),
        "learnerless-lenient",
        ("tests/unit/core/test_quorum.py",),
        is_blind=True,
    ),
    Bug(
        "the last voter is removed",
        "etcd-cloud-operator, crewjam: no such check",
        core(
            "formed.py",
            "return voters > 0 and survives(voters=voters, unresponsive=silent)",
            "return voters == 0 or survives(voters=voters, unresponsive=silent)",
        ),
        "last-1",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a leaver does not wait for its replacement",
        "k0smotron: two voters went before the first replacement voted",
        core(
            "membership.py",
            "if _waits_for_replacement(formed, first):",
            "if False:",
        ),
        tests=(FORMED, SCENARIOS),
    ),
    Bug(
        "the leader leaves without handing over",
        "etcd-manager: a TODO",
        core("membership.py", "    if first.member_id == leader and target and", "    if False and"),
        tests=(FORMED, SCENARIOS),
    ),
    Bug(
        "leadership goes to whoever, dead or not",
        "etcd stops all writes for a second",
        (
            *core(
                "membership.py",
                "    serving, applied = _serving_and_staying(formed), formed.membership.raft_index\n",
                "    serving, applied = formed.staying_voters(), dict.fromkeys(formed.membership.owners, 0)\n",
            ),
        ),
        "refresh-5",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "a newcomer that fell silent once it voted is waited for",
        "found by the explorer",
        core("publish.py", "if instance.lifecycle is Lifecycle.PENDING_WAIT and", "if False and"),
        "form-3-wipe",
        (FORMED,),
    ),
    Bug(
        "a newcomer that fell silent once it voted passes for a replacement",
        "found by the explorer",
        core("membership.py", "len(_serving_and_staying(formed)) >=", "len(formed.staying_voters()) >="),
        tests=(FORMED,),
    ),
    Bug(
        "several silent voters are replaced at once",
        "kube-aws: the next is replaced before the last is back",
        core(
            "membership.py",
            "        if any(_is_being_replaced(formed, i) for i in formed.view.group.instances):\n",
            "        if False:\n",
        ),
        tests=(FORMED,),
    ),
)
