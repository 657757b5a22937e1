"""The clusters of an app: one by the app-wide keys alone, or each entry of the list ``etcd:clusters``."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.settings import Settings
from infra.settings.rules import KEY_PREFIX, SettingsError
from infra.shared_vpc import shared_vpc_conflicts

CLUSTERS_KEY = f"{KEY_PREFIX}clusters"
_NAME = "cluster_name"
_FORM = 'a list such as [{"cluster_name": "orders", "size": 5}, {"cluster_name": "users"}]'
_PLAIN_STACK_NAME = re.compile(r"[A-Za-z0-9-]{1,80}")


def clusters_from_context(context: Mapping[str, Any]) -> tuple[Settings, ...]:
    """Return the settings of each cluster: its entry's keys over the app-wide ones.

    Raises:
        SettingsError: One line for each problem; that of a single entry names the entry.
    """
    if CLUSTERS_KEY not in context:
        return (Settings.from_context(context),)
    entries = _entries(context[CLUSTERS_KEY])
    shared = {key: value for key, value in context.items() if key != CLUSTERS_KEY}
    problems = list(_problems_of_names(entries, shared))
    if not problems:
        clusters, problems = _read_all(entries, shared)
        problems = problems or list(shared_vpc_conflicts(clusters))
    if problems:
        raise SettingsError("\n".join(problems))
    return tuple(clusters)


def stack_name(cluster_name: str) -> str:
    """Return the name of a cluster's stack; names that differ, other than in case, have stacks that differ."""
    if _PLAIN_STACK_NAME.fullmatch(cluster_name):
        return f"etcd-aws-cluster-{cluster_name}"
    # CloudFormation allows less in a name than Auto Scaling does.
    digest = hashlib.sha256(cluster_name.encode()).hexdigest()[:8]
    return f"etcd-aws-cluster-{re.sub(r'[^A-Za-z0-9]+', '-', cluster_name).strip('-')[:80]}-{digest}"


def _entries(raw: object) -> Sequence[Mapping[str, Any]]:
    """Read the list from JSON, as cdk.json has it, or from its text, as the command line does."""
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError as error:
        raise SettingsError(f"{CLUSTERS_KEY}: got {raw!r}, expected {_FORM}; as JSON: {error}") from error
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise SettingsError(f"{CLUSTERS_KEY}: got {raw!r}, expected {_FORM}")
    return entries


def _problems_of_names(entries: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> Iterator[str]:
    app_wide = f"{KEY_PREFIX}{_NAME}"
    if app_wide in shared:
        yield f"{app_wide}: got {shared[app_wide]!r}, expected nothing, for each entry of {CLUSTERS_KEY} has its own"
    for number, entry in enumerate(entries, 1):
        if _NAME not in entry:
            yield f"{_label(number, entry)}: no {_NAME}, expected one in each entry"
        for key in entry:
            if key.startswith(KEY_PREFIX):
                yield f"{_label(number, entry)}: got the key {key}, expected it without {KEY_PREFIX}"
    # Not even in case: of two such stacks one would overwrite the other's template where file names ignore case.
    names = Counter(str(entry[_NAME]).lower() for entry in entries if _NAME in entry)
    for name, count in names.items():
        if count > 1:
            numbers = [str(n) for n, entry in enumerate(entries, 1) if str(entry.get(_NAME, "")).lower() == name]
            yield (
                f"{CLUSTERS_KEY}: got the {_NAME} {name!r} in the entries {', '.join(numbers)}, "
                "expected names that differ, and not only in case"
            )


def _read_all(entries: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> tuple[list[Settings], list[str]]:
    clusters: list[Settings] = []
    told: list[tuple[str, list[str]]] = []
    for number, entry in enumerate(entries, 1):
        try:
            own = {f"{KEY_PREFIX}{key}": value for key, value in entry.items()}
            clusters.append(Settings.from_context({**shared, **own}))
        except SettingsError as error:
            told.append((_label(number, entry), str(error).splitlines()))
    # What is wrong with the app-wide keys would be told once for each entry.
    common = set.intersection(*(set(lines) for _, lines in told)) if len(told) == len(entries) > 1 else set()
    problems = [line for line in told[0][1] if line in common] if told else []
    problems += [f"{label}: {line}" for label, lines in told for line in lines if line not in common]
    return clusters, problems


def _label(number: int, entry: Mapping[str, Any]) -> str:
    name = f" ({entry[_NAME]})" if _NAME in entry else ""
    return f"{CLUSTERS_KEY}, entry {number}{name}"
