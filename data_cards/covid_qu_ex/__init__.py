"""COVID-QU-Ex: card and reader."""
