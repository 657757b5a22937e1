"""What a deployment asks of a running cluster: may this be changed; and then, roll it out (docs/decisions/0016)."""
