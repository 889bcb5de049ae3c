"""A Hugging Face Space with this app: what it needs, what is uploaded, how it is made and updated."""
