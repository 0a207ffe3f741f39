"""Corpora: their cards, their readers, and the tables that pass between the rooms."""
