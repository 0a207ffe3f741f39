"""CheXpert Plus: card, reader, and its published labels."""
