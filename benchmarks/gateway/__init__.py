"""The gateway beside LiteLLM's proxy and nginx, one core for each and the same service: `scripts/bench gateway`."""
