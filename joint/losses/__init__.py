"""Losses over images and reports, exact over processes and micro-batches."""
