"""What runs in each peer's own environment: it has this folder and that peer, and nothing else that is installed."""
