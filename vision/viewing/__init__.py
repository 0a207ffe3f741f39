"""X-rays as a viewer needs them: stored values before any window, and the window of the file."""
