"""Checkpoints, and going on exactly where a run stood."""
