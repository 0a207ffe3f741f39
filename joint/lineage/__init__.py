"""Where a run's data come from and where they went, by hash."""
