"""Classification: a text → logits → softmax → label, which words decided, a table of texts measured, and a classifier trained here."""
