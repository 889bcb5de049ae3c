"""Any text, without a chat, through one model or two: tokens, attention, layers, neighbours, and what changes with depth."""
