"""Bugs in lifecycle actions, generations, retries and the agent."""

from __future__ import annotations

from tests.planted.bug import (
    AGENT,
    AGENT_PLAN,
    APP,
    AWS,
    FAILED_CALLS,
    FORMED,
    FORMING,
    SCENARIOS,
    STORE,
    Bug,
    Edit,
    core,
)

OTHER_BUGS = (
    # Lifecycle actions
    Bug(
        "a termination goes on before the member is removed",
        "crewjam: 30 s, whatever has happened",
        core(
            "membership.py",
            "        if formed.membership.of(instance.instance_id) is None:\n           "
            " return complete(instance, Transition.TERMINATING",
            "        if True:\n            return complete(instance, Transition.TERMINATING",
        ),
        "replace-3-lenient",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "an instance goes into service as a learner",
        "instance refresh goes on by InService, not by etcd",
        core(
            "membership.py",
            "        if member and not member.is_learner and member.is_started and "
            "member.member_id in formed.membership.serving:",
            "        if member:",
        ),
        "replace-3",
        (FORMED,),
        is_blind=True,
    ),
    Bug(
        "whoever waits is let into service without a cluster's word",
        "kube-aws: insufficient wait signals",
        core(
            "membership.py",
            "        if member and not member.is_learner and member.is_started and "
            "member.member_id in formed.membership.serving:",
            "        if member and not member.is_learner:",
        ),
        "learnerless-3",
        (FORMED,),
        is_blind=True,
    ),
    # Generations
    Bug(
        "a generation begins while the last one's hosts shut down",
        "shutting down is not over",
        core(
            "formation.py",
            "if m.instance is None or not view.group.ec2_state(m.instance).has_ended",
            "if m.instance is None or not view.group.ec2_state(m.instance).is_ending",
        ),
        "generations",
        (FORMING,),
        is_blind=True,
    ),
    Bug(
        "nobody waits for the last generation's end",
        "etcd-backup-restore: `new` when in doubt",
        core(
            "formation.py",
            "    if record is None or record.state is not RecordState.RETIRED:\n        return None\n    survivors",
            "    if record is None or record:\n        return None\n    survivors",
        ),
        "generations",
        (FORMING,),
        is_blind=True,
    ),
    Bug(
        "a lost quorum begins anew",
        "etcd-cloud-operator: seeds again by itself",
        core(
            "formation.py",
            "    record = view.stored.record\n    if record and record.state is not "
            "RecordState.RETIRED:\n        return None\n    silent",
            "    record = view.stored.record\n    if record and view.answering():\n        return None\n    silent",
        ),
        "generations",
        (FORMED, FORMING),
        is_blind=True,
    ),
    Bug(
        "what does not answer does not exist",
        "seed L102: a network fault is a new cluster",
        core("formation.py", "        Lifecycle.IN_SERVICE,\n        Lifecycle.ENTERING", "        Lifecycle.ENTERING"),
        "adopt-1",
        (FORMING,),
    ),
    Bug(
        "a group that looks empty is scaled to zero",
        "a stale read is believed",
        core(
            "formation.py",
            "return not stay and all(m and (group.find(m) or group.ec2_state(m).is_ending) for m in members)",
            "return not stay",
        ),
        "scale-1",
        (FORMING,),
        is_blind=True,
    ),
    Bug(
        "a cluster of the first to boot",
        "seed L180; rabbitmq-autocluster#43: two first ones",
        core("formation.py", "    if cohort and len(cohort) == view.group.desired:", "    if cohort:"),
        tests=(FORMING,),
    ),
    Bug(
        "the claim is not atomic",
        "seven of eight peers have no lock",
        (Edit(AWS + "parameter_store.py", 'Tier="Standard", Overwrite=False)', 'Tier="Standard", Overwrite=True)'),),
        tests=(STORE,),
    ),
    Bug(
        "a late claim brings an old generation back",
        "etcd-manager: a restart between creating and marking creates again",
        (
            Edit(
                AWS + "parameter_store.py",
                "unless=lambda stored: stored.generation >= claimed.generation",
                "unless=lambda stored: False",
            ),
        ),
        tests=(STORE,),
    ),
    Bug(
        "a formation's end is written without its outcome",
        "seven of eight peers have no lock",
        core(
            "publish.py",
            "return ConcludeFormation(retired) if last.state is RecordState.NEW else PublishRecord(retired)",
            "return PublishRecord(retired)",
        ),
        tests=(FORMING,),
        is_blind=True,
    ),
    Bug(
        "an outcome that is there already is ignored",
        "etcd-manager: a restart between creating and marking creates again",
        (
            Edit(
                AWS + "parameter_store.py",
                'outcome = self._create_once(f"{self._prefix}/generations/{record.generation}/outcome", record)',
                'self._create(f"{self._prefix}/generations/{record.generation}/outcome", record)\n'
                "        outcome = record",
            ),
        ),
        tests=(STORE,),
    ),
    Bug(
        "a late conclusion overwrites what has gone on",
        "etcd-manager: a restart between creating and marking creates again",
        (
            Edit(
                AWS + "parameter_store.py",
                "unless=lambda stored: (stored.generation, stored.state) != forming",
                "unless=lambda stored: stored.generation != record.generation",
            ),
        ),
        tests=(STORE,),
    ),
    Bug(
        "a cohort is over as soon as EC2 does not show it",
        "AWS is eventually consistent",
        core(
            "model.py",
            "return Ec2State.UNKNOWN if listed.ec2_state is Ec2State.ABSENT else listed.ec2_state",
            "return listed.ec2_state",
        ),
        tests=(FORMING,),
    ),
    Bug(
        "a member of another cluster is not noticed",
        "etcd-druid#1022: several clusters behind one service",
        core("formation.py", "    if not foreign:\n        return None", "    if True:\n        return None"),
        tests=(FORMED, FORMING),
    ),
    # After an answer that never came
    Bug(
        "an addition without an answer is made again",
        "etcd-manager: retries on another member",
        (
            Edit(
                APP + "execute.py",
                "        try:\n            self._call_etcd(view, action)\n",
                "        try:\n            try:\n                self._call_etcd(view, action)\n"
                "            except EtcdError:\n                self._call_etcd(view, action)\n",
            ),
        ),
        "replace-3",
    ),
    Bug(
        "a failed completion is taken for done",
        "crewjam: the answer's status is ignored",
        (
            Edit(
                APP + "execute.py",
                "            left_alone = memory.failed if memory.failures[key] < MOST_TRIES else memory.completed\n",
                "            left_alone = memory.completed\n",
            ),
        ),
        tests=(FAILED_CALLS,),
    ),
    Bug(
        "one instance's failed completion holds up the others",
        "one error ends the whole pass",
        (Edit(APP + "execute.py", "            memory.failures[key] += 1\n", "            raise\n"),),
        tests=(SCENARIOS,),
    ),
    Bug(
        "a failed call is made again without a look",
        "etcd-manager: retries on another member",
        (
            Edit(
                APP + "reconcile.py",
                "                self._clock.sleep(self._pace.aws.total_seconds())  # after",
                "                pass  # after",
            ),
        ),
        tests=(FAILED_CALLS,),
    ),
    # The agent
    Bug(
        "one's own name proves that the cluster is new",
        "seed L102: a lost data directory starts as new",
        (
            Edit(
                AGENT + "plan.py",
                "    if not local.has_wal:\n        return _refuse(ExitCode.DATA_LOST,",
                "    if False:\n        return _refuse(ExitCode.DATA_LOST,",
            ),
        ),
        "wipe-3",
        (AGENT_PLAN,),
    ),
    Bug(
        "data of another life is started from",
        "etcd#11562: cluster ID mismatch; seed L27",
        (Edit(AGENT + "plan.py", "    if local.marker == marker:", "    if local.marker:"),),
        tests=(AGENT_PLAN,),
    ),
    Bug(
        "who is not listed starts all the same",
        "seed L102: nobody answers, so it is new",
        (
            Edit(
                AGENT + "plan.py",
                "        return _refuse(ExitCode.MEMBER_REMOVED,",
                '        return Decision(Action.WRITE, "it has data")\n        return _refuse(ExitCode.MEMBER_REMOVED,',
            ),
        ),
        tests=(AGENT_PLAN,),
    ),
)
