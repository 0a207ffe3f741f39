"""NIH ChestX-ray14: card, reader, and its published labels."""
