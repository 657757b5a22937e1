"""Bugs that others have had, put into copies of our code one at a time: each must be caught (docs/explorer.md)."""
