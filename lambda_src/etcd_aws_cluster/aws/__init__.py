"""The adapters to AWS: one for each port, on boto3 clients that are given to them."""
