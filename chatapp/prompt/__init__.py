"""What a model is given: the one place that applies a chat template."""
