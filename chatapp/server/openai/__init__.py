"""/v1: an OpenAI client talks to the same queue, engine and store as the page."""
