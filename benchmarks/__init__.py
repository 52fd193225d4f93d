"""What this package costs beside its peers. `scripts/bench` runs each benchmark and prints one table."""
