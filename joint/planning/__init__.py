"""What a run would take, told before it starts."""
