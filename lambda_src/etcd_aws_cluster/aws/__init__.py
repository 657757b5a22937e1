"""The adapters to AWS: one for each port, on botocore's clients that are given to them."""
