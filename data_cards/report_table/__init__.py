"""A table of reports that a user brings, with or without images: card and reader."""
