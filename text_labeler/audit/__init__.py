"""The audit room: how many labels to read, reading them blind, and how wrong the rest still are."""
