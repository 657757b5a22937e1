"""More than one cluster in an app: who gets which settings, what is refused, and that nothing of two is the same."""

import itertools
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets

from infra.bundling import agent_asset, controller_code
from infra.clusters import clusters_from_context, stack_name
from infra.etcd_cluster_stack import EtcdClusterStack
from infra.settings import Settings
from infra.settings.rules import SettingsError
from tests.infra.stacks import APPS

NAMES = [f"orders-{number}" for number in range(1, 21)]
BAD_SIZE = (
    "etcd:size: got 4, expected one of 1, 3, 5, 7, 9 (an even cluster tolerates no more failures than one smaller)"
)
Template = dict[str, Any]


def read(*entries: object, **shared: object) -> tuple[Settings, ...]:
    return clusters_from_context({"etcd:clusters": list(entries), **{f"etcd:{k}": v for k, v in shared.items()}})


def refusal(*entries: object, **shared: object) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read(*entries, **shared)
    return str(refused.value).splitlines()


def test_without_a_list_the_app_wide_keys_are_the_one_cluster() -> None:
    (cluster,) = clusters_from_context({"etcd:cluster_name": "orders", "etcd:size": 5})
    assert (cluster.cluster_name, cluster.size) == ("orders", 5)


def test_an_entrys_keys_win_over_the_app_wide_ones() -> None:
    orders, users = read({"cluster_name": "orders", "size": 5}, {"cluster_name": "users"}, size=7, log_level="DEBUG")
    assert [(c.cluster_name, c.size, c.controller.log_level) for c in (orders, users)] == [
        ("orders", 5, "DEBUG"),
        ("users", 7, "DEBUG"),
    ]


def test_the_list_may_be_text_as_the_command_line_hands_it_over() -> None:
    text = '[{"cluster_name": "orders", "size": 5}, {"cluster_name": "users"}]'
    assert clusters_from_context({"etcd:clusters": text}) == read(*json.loads(text))


@pytest.mark.parametrize("raw", ["", "orders", "[", "{}", "[]", [], {}, 3, None, ["orders"], [[]]])
def test_what_is_no_list_of_clusters_is_refused_with_its_form(raw: object) -> None:
    with pytest.raises(SettingsError) as refused:
        clusters_from_context({"etcd:clusters": raw})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"etcd:clusters: got {raw!r}, expected a list such as [")


def test_a_problem_of_one_entry_names_the_entry() -> None:
    assert refusal({"cluster_name": "orders", "size": 4}, {"cluster_name": "users", "sizes": 3}) == [
        "etcd:clusters, entry 1 (orders): " + BAD_SIZE,
        "etcd:clusters, entry 2 (users): etcd:sizes: no such setting; did you mean etcd:size?",
    ]


def test_a_problem_of_the_app_wide_keys_is_told_once() -> None:
    assert refusal({"cluster_name": "orders"}, {"cluster_name": "users", "size": 4}, log_level="LOUD") == [
        "etcd:log_level: got 'LOUD', expected one of DEBUG, INFO, WARNING, ERROR",
        "etcd:clusters, entry 2 (users): " + BAD_SIZE,
    ]


def test_an_app_wide_value_that_fits_only_with_an_entrys_own_is_accepted() -> None:
    (cluster,) = read({"cluster_name": "orders", "etcd_url": "s3://archives/etcd.tar.gz"}, egress="endpoints")
    assert cluster.network.egress == "endpoints"


@pytest.mark.parametrize("second", ["orders", "Orders"])
def test_two_entries_of_one_name_are_refused_whatever_their_case(second: str) -> None:
    (line,) = refusal({"cluster_name": "orders"}, {"cluster_name": "users"}, {"cluster_name": second})
    assert "'orders' in the entries 1, 3" in line


def test_an_entry_without_a_name_and_a_name_for_all_are_refused() -> None:
    assert refusal({"size": 5}, cluster_name="orders") == [
        "etcd:cluster_name: got 'orders', expected nothing, for each entry of etcd:clusters has its own",
        "etcd:clusters, entry 1: no cluster_name, expected one in each entry",
    ]


def test_a_key_with_the_prefix_in_an_entry_is_refused_with_how_it_is_written() -> None:
    (line,) = refusal({"cluster_name": "orders", "etcd:size": 5})
    assert line == "etcd:clusters, entry 1 (orders): got the key etcd:size, expected it without etcd:"


SHARED_VPC = {"vpc_id": "vpc-01234567", "dns_zone_name": "example.internal"}
NO_INTERNET = {"vpc_id": "vpc-01234567", "egress": "endpoints", "etcd_url": "s3://archives/etcd.tar.gz"}


def test_a_zone_that_each_would_make_for_the_vpc_that_they_share_is_refused() -> None:
    (line,) = refusal({"cluster_name": "orders"}, {"cluster_name": "users"}, **SHARED_VPC)
    assert line.startswith(
        "etcd:dns_zone_name: got example.internal for each of orders, users in vpc-01234567, expected"
    )
    read({"cluster_name": "orders"}, {"cluster_name": "users", "dns_zone_id": "Z0123456789ABC"}, **SHARED_VPC)
    read({"cluster_name": "orders"}, {"cluster_name": "users", "dns_zone_name": "users.internal"}, **SHARED_VPC)
    read({"cluster_name": "orders"}, {"cluster_name": "users", "vpc_id": "vpc-76543210"}, **SHARED_VPC)
    read({"cluster_name": "orders"}, {"cluster_name": "users"}, dns_zone_name="example.internal")  # a VPC each


def test_endpoints_that_each_would_make_for_the_vpc_that_they_share_are_refused() -> None:
    (line,) = refusal(
        {"cluster_name": "orders", "given_vpc_endpoints": "all"},
        {"cluster_name": "users", "given_vpc_endpoints": "sqs,ssm"},
        **NO_INTERNET,
    )
    assert line.startswith("etcd:given_vpc_endpoints: got ssm, sqs for each of orders, users in vpc-01234567, expected")
    read({"cluster_name": "orders", "given_vpc_endpoints": "all"}, {"cluster_name": "users"}, **NO_INTERNET)


def test_names_that_cloudformation_does_not_take_get_stack_names_that_differ() -> None:
    odd = [stack_name(name) for name in ("a.b", "a_b", "a-b", "a--b", ".a.b", "x" * 120, "x" * 121)]
    assert len(set(odd)) == len(odd)
    assert all(len(name) <= 128 and name.replace("-", "").isalnum() for name in odd)
    assert stack_name("orders") == "etcd-aws-cluster-orders"


@pytest.fixture(scope="module")
def twenty() -> dict[str, Template]:
    """The templates of twenty clusters in one app, which cdk-nag has looked at."""
    context = {"etcd:clusters": [{"cluster_name": name} for name in NAMES]}
    app = cdk.App(context=context, outdir=tempfile.mkdtemp(dir=APPS.name))
    agent = Path(app.outdir) / "agent.pyz"
    agent.write_text("print('agent')\n", encoding="utf-8")
    for settings in clusters_from_context(app.node.get_all_context()):
        EtcdClusterStack(
            app,
            stack_name(settings.cluster_name),
            settings=settings,
            controller_code=lambda_.Code.from_inline("def handle(event, context): ..."),
            agent=partial(s3_assets.Asset, path=str(agent)),
        )
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    assembly = app.synth()
    return {name: assembly.get_stack_by_name(f"etcd-aws-cluster-{name}").template for name in NAMES}


def test_twenty_clusters_are_twenty_stacks_each_with_its_own_queue_function_and_group(
    twenty: dict[str, Template],
) -> None:
    for template in twenty.values():
        types = [body["Type"] for body in template["Resources"].values()]
        assert types.count("AWS::Lambda::Function") == 2
        assert types.count("AWS::SQS::Queue") == 2
        assert types.count("AWS::AutoScaling::AutoScalingGroup") == 1


def test_every_name_that_the_app_chooses_is_of_one_cluster_alone(twenty: dict[str, Template]) -> None:
    chosen = {name: set(_chosen_names(template)) for name, template in twenty.items()}
    assert {key for key, _ in chosen["orders-1"]} >= {"AutoScalingGroupName", "MessageGroupId", "PARAMETER_PREFIX"}
    for one, other in itertools.combinations(chosen.values(), 2):
        assert not one & other


def test_one_clusters_template_says_nothing_of_another(twenty: dict[str, Template]) -> None:
    for name, template in twenty.items():
        words = set(_words(template))
        assert name in words
        assert not words & (set(NAMES) - {name})


def test_function_and_agent_are_bundled_once_for_all(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "requirements.txt").write_text("", encoding="utf-8")
    (source / "handler.py").write_text("", encoding="utf-8")
    built: list[Path] = []

    def build(path: Path) -> Path:
        built.append(path)
        path.write_bytes(b"agent")
        return path

    app = cdk.App(outdir=str(tmp_path / "out"))
    agent = agent_asset(source, "agent.pyz", build)
    for settings in read({"cluster_name": "orders"}, {"cluster_name": "users"}):
        EtcdClusterStack(
            app,
            stack_name(settings.cluster_name),
            settings=settings,
            controller_code=controller_code(source, settings.controller),
            agent=agent,
        )
    app.synth()
    assert len(built) == 1
    assert len([path for path in (tmp_path / "out").glob("asset.*") if path.is_dir()]) == 2


# What names a thing in the account and is not made up by CloudFormation from the stack's name.
_KEYS = {
    "AlarmName",
    "AutoScalingGroupName",
    "DashboardName",
    "Export",
    "FunctionName",
    "LaunchTemplateName",
    "LogGroupName",
    "MessageGroupId",
    "PARAMETER_PREFIX",
    "QueueName",
    "RoleName",
    "TopicName",
}


def _chosen_names(value: Any, key: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a template holds anything
    """Every name by its key; a lifecycle hook's is of its group."""
    if isinstance(value, dict):
        for each, part in value.items():
            yield from _chosen_names(part, each)
    elif isinstance(value, list):
        for part in value:
            yield from _chosen_names(part, key)
    elif key in _KEYS:
        yield key, str(value)


def _words(value: Any) -> Iterator[str]:  # noqa: ANN401 - a template holds anything
    """Every word of every text, so that orders-1 is not found in orders-11."""
    for text in _texts(value):
        yield from "".join(c if c.isalnum() or c == "-" else " " for c in text).split()


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a template holds anything
    if isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value
