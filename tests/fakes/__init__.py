"""Stand-ins for the ports that keep state, as the real ones do; tests/contract holds them to the same behaviour."""
