"""Imports the same libraries as everybody imports them, and makes the same clients, with all of AWS's models."""

import os

import boto3
import requests  # noqa: F401
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response  # noqa: F401
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source  # noqa: F401

Logger(), Metrics(service=""), Tracer(patch_modules=["botocore"])
for name in ("ssm", "autoscaling", "ec2"):
    boto3.client(name)
os._exit(0)  # as ours.py
