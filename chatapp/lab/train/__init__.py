"""A small GPT-2 trained on real text: recipe, corpus, tokenizer, plan, the child process that trains, and the runs that are kept."""
