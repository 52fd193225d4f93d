"""The gateway: one address for models of W&B Inference, configured as LiteLLM's proxy is. Needs `[gateway]`."""
