"""README.md of what was trained: the model card, with the numbers of the run."""

from typing import Any

from chatapp.lab.train import recipe as recipes
from chatapp.lab.train.recipe import Recipe

HEAD = "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [gpt2, trained-here]\n---\n"


def written(recipe: Recipe, facts: dict[str, Any]) -> str:
    """Markdown. `facts` is run.json."""
    parts = [
        f"{HEAD}\n# {recipe.name}",
        _said(recipe, facts),
        _table(facts),
        _use(),
        "## Recipe",
        f"```yaml\n{recipes.written(recipe)}```\n",
    ]
    return "\n\n".join(parts)


def _said(recipe: Recipe, facts: dict[str, Any]) -> str:
    shape, tokenizer, result = recipe.model, facts["tokenizer"], facts["result"]
    rows, size = "packed blocks" if recipe.packed else "padded rows", facts["corpus"]["train"]["bytes"]
    return (
        f"A GPT-2 of {shape['n_layer']} layers, {shape['n_head']} heads and width {shape['n_embd']} ({facts['parameters']:,} parameters), "
        f"trained from random weights on {facts['corpus']['name']} ({size:,} bytes, {rows} of {recipe.max_length} "
        f"tokens) for {result['step']:,} of {facts['total_steps']:,} steps in {result['seconds'] / 60:.1f} minutes. "
        f"Tokenizer: {tokenizer['kind']}, {tokenizer['vocab_size']:,} entries, {tokenizer['bytes_per_token']} bytes per token. "
        "It goes on with a text; it was taught no chat."
    )


def _table(facts: dict[str, Any]) -> str:
    """Bits per byte, of the validation text but for the line that says otherwise."""
    rows = [
        ("every token as likely as any", "uniform"),
        ("as often as in training (unigram)", "unigram"),
        ("after the one before (bigram)", "bigram"),
    ]
    lines = [f"| {words} | {facts['baselines'][name]:.3f} |" for words, name in rows]
    for name in ("validation", "test"):
        if name in facts["result"]:
            lines.append(f"| **this model**, {name} text | **{facts['result'][name]:.3f}** |")
    return "\n".join(["| guessed by | bits per byte |", "|---|---|", *lines])


def _use() -> str:
    return (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".")\n'
        'print(tokenizer.decode(model.generate(**tokenizer("We must", return_tensors="pt"), max_new_tokens=40, do_sample=True)[0]))\n```'
    )
