"""Open-i's Indiana University collection: card and reader."""
