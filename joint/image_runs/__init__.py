"""Runs on images alone, taught by a class or a mask that the corpus itself carries."""
