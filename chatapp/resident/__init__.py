"""The model in memory and the queue before it."""
