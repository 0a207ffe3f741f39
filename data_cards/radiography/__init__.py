"""COVID-19 Radiography Database: card, reader, and the sources of its images."""
