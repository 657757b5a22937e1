"""The CDK app: context becomes settings, settings become one stack."""
