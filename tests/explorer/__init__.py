"""A small-scope model checker: the shipped planner in every interleaving of a small world (docs/explorer.md)."""
