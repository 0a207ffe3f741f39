"""What every training run has, whatever it trains: its settings, its launch, its session."""
