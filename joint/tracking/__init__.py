"""What W&B gets of a run: numbers, figures, artifacts, and nothing of a patient."""
