"""A chat web app over Hugging Face models that shows exactly what the model saw and did."""

__version__ = "0.1.0"
