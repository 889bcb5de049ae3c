"""Conversations: one meeting of engine and store."""
