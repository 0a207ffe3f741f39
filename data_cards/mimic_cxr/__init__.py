"""MIMIC-CXR and MIMIC-CXR-JPG: card, reader, and the tables and tree it reads."""
