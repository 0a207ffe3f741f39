"""What a trained run is worth on images alone, beside its controls."""
