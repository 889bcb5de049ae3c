"""Benchmarks of the product's own engine and doors next to the naive way, in one run: `python -m chatapp.bench`."""
