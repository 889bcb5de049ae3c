"""recipe.yaml: presets, what differs from them, and a sentence with the nearest name for whatever is wrong."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.train import arguments, recipe


def of(text: str, folder: Path = Path()) -> recipe.Recipe:
    return recipe.parse(text, folder)


@pytest.mark.parametrize("name", recipe.PRESETS)
def test_what_is_written_is_read_back(name: str) -> None:
    given = of(f"preset: {name}")
    assert recipe.parse(recipe.written(given), Path("/elsewhere")) == given


def test_the_tutorial_is_the_default() -> None:
    made = of("corpus: sotu")
    assert made.model == {"n_embd": 128, "n_layer": 6, "n_head": 8} and made.max_length == 128 and not made.packed
    wanted = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "save_steps": 500, "save_total_limit": 2, "logging_steps": 100}
    assert wanted.items() <= made.arguments.items()


def test_a_preset_is_changed_by_what_stands_beside_it() -> None:
    made = of("preset: two-minutes\nmodel: {n_layer: 2}\nlearning_rate: 5e-4\nweight_decay: 1")
    assert made.model["n_layer"] == 2 and made.model["n_embd"] == 128 and made.packed
    assert made.arguments["learning_rate"] == 0.0005 and made.arguments["lr_scheduler_type"] == "cosine"


def test_files_are_beside_the_recipe(tmp_path: Path) -> None:
    assert of("corpus: [a.txt, b.csv]", tmp_path).corpus == (str(tmp_path / "a.txt"), str(tmp_path / "b.csv"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("corpuss: sotu", "The recipe has 'corpuss', which means nothing there. Did you mean corpus?"),
        ("learning_rat: 1", "Did you mean learning_rate?"),
        ("preset: two-minute", "Did you mean two-minutes?"),
        ("preset: [a]", "preset is ['a']; it must be one of"),
        ("warmup_ratio: 0.1", "warmup_steps, where a number below 1 is a share of all steps"),
        ("evaluation_strategy: steps", "which transformers 5 dropped. What stands for it: eval_strategy."),
        ("output_dir: x", "--out says where a run is kept"),
        ("model: {n_embd: 100, n_head: 8}", "n_embd 100 cannot be divided among n_head 8: take 5 heads, or n_embd 96."),
        ("model: {nembd: 3}", "Did you mean n_embd?"),
        ("tokenizer: gpt-2", "Did you mean gpt2?"),
        ("tokenizer: {train: 10}", "it must be a whole number from 257 to 65536"),
        ("lr_scheduler_type: cosin", "Did you mean cosine?"),
        ("learning_rate: -1", "learning_rate is -1; it must be above 0."),
        ("learning_rate: 5", "above 1 nothing is learned"),
        ("num_train_epochs: .nan", "must be a finite number"),
        ("num_train_epochs: much", "num_train_epochs is 'much'; it must be a number."),
        ("max_steps: 1.5", "max_steps is 1.5; it must be a whole number."),
        ("bf16: 3", "bf16 is 3; it must be true or false."),
        ("corpus: book.pdf", "files ending in .txt, .jsonl, .csv, .parquet"),
        ("corpus: []", "corpus is an empty list"),
        ("packed: 1", "packed is 1; it must be true (blocks) or false (padded rows)."),
        ("prompts: [one]", "prompts must be a list of 3 texts"),
        ("max_length: 3", "max_length is 3; it must be a whole number from 8 to 4096."),
        ("max_minutes: -1", "max_minutes is -1; it must be a number from 0 to 100000."),
        ("- sotu", "The recipe must be a mapping"),
        ("seed: 1\nseed: 2", "'seed' stands twice"),
        ("corpus: *a", "Line 1 of the recipe has an alias"),
    ],
)
def test_a_wrong_recipe_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ChatError) as raised:
        of(text)
    assert words in str(raised.value) and raised.value.status == 422


def test_arguments_are_those_of_the_installed_transformers() -> None:
    from transformers import TrainingArguments

    assert set(arguments.names()) == set(TrainingArguments.__dataclass_fields__)
    assert not set(arguments.DROPPED) & set(arguments.names())
    assert set(arguments.LEFT) <= set(arguments.names())


@pytest.mark.parametrize("words", [words for words in arguments.DROPPED.values() if not words.startswith("nothing")])
def test_what_stands_for_a_dropped_argument_is_there(words: str) -> None:
    assert words.partition(",")[0].partition(":")[0] in arguments.names()
