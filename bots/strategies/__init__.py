"""Strategies: one file each, no I/O."""
