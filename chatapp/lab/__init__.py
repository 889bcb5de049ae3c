"""Experiments with models: generators of records, used alike by pages and command line."""
