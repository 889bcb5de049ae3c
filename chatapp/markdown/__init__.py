"""A model's words as safe HTML, block by block, on the server: for the page, reports and shared files."""

from chatapp.markdown.growing import Growing, blocks

__all__ = ["Growing", "blocks"]
