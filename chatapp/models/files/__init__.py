"""A model's folder explained, file by file: read within limits, without torch, and nothing in it is run."""
