"""The CDK app: reads the settings from context, makes a stack for each cluster, has cdk-nag look at them."""

import os
import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from bootstrap_agent.build import build
from infra.attach.at_synth import check_group
from infra.bundling import agent_asset, controller_code
from infra.clusters import clusters_from_context, stack_name
from infra.etcd_cluster_stack import EtcdClusterStack
from infra.names import AGENT_FILE
from infra.settings.rules import KEY_PREFIX, SettingsError

_HERE = Path(__file__).parent


def main() -> None:
    """Synthesize; exits with the list of what is wrong with the settings, if anything is."""
    app = cdk.App()
    try:
        _make_stacks(app)
    except SettingsError as error:
        sys.exit(str(error))
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    app.synth()


def _make_stacks(app: cdk.App) -> None:
    """Make a stack for each cluster.

    Raises:
        SettingsError: One line for each problem; some are seen only once a given VPC has been looked up.
    """
    # Only a given VPC has to be looked up, and only for that an account must be known.
    env = cdk.Environment(account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION"))
    clusters = clusters_from_context(app.node.get_all_context())
    given = next((cluster.network.vpc_id for cluster in clusters if cluster.network.vpc_id), None)
    if given and not (env.account and env.region):
        raise SettingsError(
            f"{KEY_PREFIX}vpc_id: got {given}, expected credentials of its account, and a region, in the environment "
            "of the command, for a VPC that is there already is looked up"
        )
    agent = agent_asset(_HERE / "bootstrap_agent", AGENT_FILE, build)
    for settings in clusters:
        stack = EtcdClusterStack(
            app,
            stack_name(settings.cluster_name),
            settings=settings,
            # A stack wants an object of its own; what is bundled for one is found again by the next.
            controller_code=controller_code(_HERE / "lambda_src", settings.controller),
            agent=agent,
            env=env if settings.network.vpc_id else None,
        )
        if settings.attach.attach:
            check_group(stack, settings, env)


main()
