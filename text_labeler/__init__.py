"""Reports to labels, each with the words that gave it."""
