"""CheXpert: card, reader, and its published labels."""
