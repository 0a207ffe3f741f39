"""CheXmask: card, reader and decoder of its lung and heart masks."""
