"""Observe, plan, check, execute: the loop of one run."""
