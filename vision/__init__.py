"""Pixels to grades: reading, caching, encoding, calibrating, explaining, grading."""
