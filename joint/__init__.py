"""What needs images and reports together: the paired model, the loop, the record of a run."""
