"""The YAML of every run, the one settings loader, and files written whole or not at all."""
