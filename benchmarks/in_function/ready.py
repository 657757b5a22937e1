"""Starts the real function as Lambda does, up to where it could handle its first message."""

import os

from etcd_aws_cluster import entry, wiring  # noqa: F401 - in this order

wiring.controller()
os._exit(0)  # as ours.py
