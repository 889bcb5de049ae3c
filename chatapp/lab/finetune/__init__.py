"""A chat model fine-tuned with LoRA on pairs of prompt and reply: read, cut by the chat template, learned, measured before and after."""
