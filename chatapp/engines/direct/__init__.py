"""Own prefill and decode loop."""
