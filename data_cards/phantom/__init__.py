"""The phantom corpus: drawn chest X-rays with written reports, and a truth kept apart."""
