"""EC2 Auto Scaling as AWS documents it: a state machine over ports, with no MiniStack, thread or clock inside."""
