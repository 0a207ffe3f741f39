"""covid-chestxray-dataset: card and reader."""
