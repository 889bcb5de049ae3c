"""Models that other servers run, asked by OpenAI's protocol: messages go out, words come back."""
