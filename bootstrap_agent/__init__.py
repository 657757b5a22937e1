"""The bootstrap agent and how its bundle is built."""
