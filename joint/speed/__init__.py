"""How fast a run's steps are, and how far from the limit."""
