"""The benchmark with known truth: ways of learning from reports, side by side."""
