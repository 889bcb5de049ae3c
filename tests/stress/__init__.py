"""Attacks on the real app in a process of its own, replayed within minutes: `make stress`. What fails is named, and the status is 1."""
