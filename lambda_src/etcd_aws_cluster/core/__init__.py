"""The decision, pure: observed values in, one decision with its reason out. No AWS, no HTTP, no clock."""
