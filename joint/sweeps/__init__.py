"""Sweeps over settings, with W&B's server or without."""
