"""The look at a group before it is attached to: what is so, what forbids it, what is better changed first."""
