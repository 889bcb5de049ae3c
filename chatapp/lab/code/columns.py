"""A column of a run, reply by reply with the seeds it had; and a whole grid, with num_return_sequences, as programs."""

from collections.abc import Callable, Sequence
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.code.cells import Cell, code, literal, words
from chatapp.lab.code.origin import Origin
from chatapp.lab.code.record import CHUNK, Recipe, chat, given, promise, recipe, settings
from chatapp.lab.code.reply import CALL, STOPPING, STOPS, ends_lines, loading, stop_lines
from chatapp.lab.grid import Grid, Variant
from chatapp.lab.rows import Row, failed, turn_of
from chatapp.prompt.template import PLAIN_STOP

READ = '''
def ids_of(question):
    """The ids of a question: its messages through the chat template, or a base model's text; the recorded ones where those are others."""
    if "text" in question:
        text = question["text"]
    else:
        text = tokenizer.apply_chat_template(question["chat"], add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if ids != question["prompt_ids"]:
        print("The template gives other ids here than were recorded; the recorded ones are used.")
    return question["prompt_ids"]
'''
ASK = '''
def ids_of(system, prompt):
    """Messages through the chat template; a base model has none and goes on with a text."""
    messages = [{"role": "user", "content": prompt}]
    told = [{"role": "system", "content": system}] if system else []
    if tokenizer.chat_template is None:
        begin = tokenizer.bos_token if tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id] else ""
        text = f"{begin or ''}{system.strip() + chr(10) * 2 if system else ''}User: {prompt.strip()}\\nAssistant:"
        return tokenizer(text, add_special_tokens=False)["input_ids"]
    try:
        text = tokenizer.apply_chat_template(told + messages, add_generation_prompt=True, tokenize=False)
    except TemplateError:  # it takes no system prompt: that stands at the head of the question
        messages = [{"role": "user", "content": f"{system}\\n\\n{prompt}"}]
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, add_special_tokens=False)["input_ids"]
'''
ONE_BY_ONE = f"""
for number, question in enumerate(QUESTIONS, 1):
    ids = ids_of(question)
    input_ids = torch.tensor([ids], device=DEVICE)
    attention_mask = torch.ones_like(input_ids)
    START = len(ids)
    for reply in question["replies"]:
        if reply["seed"] is not None:
            torch.manual_seed(reply["seed"])
        model.generation_config.max_new_tokens = reply["max_new_tokens"]
        output = model.generate({CALL}STOPPED)
        reply_ids = output[0, START:].tolist()
        found.append(reply_ids)
        said = "as recorded" if reply_ids == reply["ids"] else "another reply than recorded"
        print(f"--- prompt {{number}}, {{said}}")
        print(tokenizer.decode(reply_ids, skip_special_tokens=True))
"""
ALL = f"""
answers = {{}}
for name, options in MODELS.items():
    tokenizer = AutoTokenizer.from_pretrained(options["place"], **options["more"])
    model = AutoModelForCausalLM.from_pretrained(options["place"], **options["more"], dtype=torch.float32).to(DEVICE).eval()
    own = model.generation_config.eos_token_id
    ends = sorted({{*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id}} - {{None}})
    for column in COLUMNS:
        if column["model"] != name:
            continue
        model.generation_config = GenerationConfig(**column["settings"], eos_token_id=ends, pad_token_id=ends[0] if ends else 0)
        STOP = column["stop"] + (BASE_STOP if tokenizer.chat_template is None else [])
        for number, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS), 1):
            ids = ids_of(column["system"], prompt)
            input_ids = torch.tensor([ids], device=DEVICE)
            attention_mask = torch.ones_like(input_ids)
            START = len(ids)
            torch.manual_seed(seed if column["seed"] is None else column["seed"])
            # One prompt is read once, and its replies are written side by side.
            replies = REPLICAS if column["settings"]["do_sample"] else 1
            output = model.generate({CALL}, num_return_sequences=replies{STOPS})
            texts = tokenizer.batch_decode(output[:, START:], skip_special_tokens=True)
            answers[column["name"], number] = output[:, START:].tolist()
            for text in texts:
                for stop in STOP:
                    text = text.partition(stop)[0]
                print(f"--- prompt {{number}} · {{column['name']}}")
                print(text)
"""


def of_column(variant: Variant, rows: Sequence[Row], origin: Origin) -> list[Cell]:
    """All replies of one column, each with its own seed and compared with its record. Raises ChatError where there are none."""
    mine = [row for row in rows if row["column"] == variant.label and not failed(row)]
    if not mine:
        raise ChatError(f"Column {variant.label!r} has no replies yet.", status=409)
    made = [recipe(turn_of(row, "")) for row in mine]
    first = made[0]
    chunked = first.turn.engine == "direct" and any(len(one.turn.prompt_ids) > CHUNK for one in made)
    end = next((one.end for one in made if one.end is not None), None)
    stop = first.stop
    return [
        words(f"# The column {variant.label}: {len(made)} replies, made again with transformers", promise(first.turn)),
        *loading(origin, clock=False, stop=bool(stop)),
        words(
            "## Questions",
            "Each with its messages, the ids that the model was given, and its replies: the seed of each, and its ids.",
            *(["The template writes a date, so that other ids than recorded come out on another day."] if first.turn.date else []),
        ),
        code(f"QUESTIONS = {literal(_questions(mine, made))}", READ),
        words("## Settings", "The model's own generation_config is put aside: only what stands here acts."),
        code(
            *ends_lines(end),
            "model.generation_config = GenerationConfig(",
            *settings(variant.sampling, variant.sampling.max_tokens),
            *([f"    prefill_chunk_size={CHUNK},  # as the engine read the prompts: numbers round otherwise in other pieces"] * chunked),
            "    eos_token_id=ends,",
            "    pad_token_id=ends[0] if ends else 0,",
            ")",
            *stop_lines(stop),
        ),
        words("## Generate, decode, compare", "The attention mask is 1 for every token, as one prompt alone has no padding."),
        code("found = []", ONE_BY_ONE.replace("STOPPED", STOPS if stop else "").strip("\n")),
    ]


def _questions(rows: Sequence[Row], made: Sequence[Recipe]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for row, one in sorted(zip(rows, made, strict=True), key=lambda pair: (pair[0]["prompt_index"], pair[0]["replica"])):
        asked = {"text": one.text} if one.text else {"chat": chat(one.messages)}
        question = found.setdefault(row["prompt_index"], asked | {"prompt_ids": list(one.turn.prompt_ids), "replies": []})
        seed = None if one.turn.sampling.greedy else one.turn.seed
        question["replies"].append({"seed": seed, "max_new_tokens": one.max_tokens, "ids": list(one.turn.reply_ids)})
    return list(found.values())


def of_grid(grid: Grid, origin_of: Callable[[str], Origin]) -> list[Cell]:
    """Every prompt by every column. `origin_of` is told a model as the grid names it, '' being the first one."""
    variants = grid.variants()
    origins = {variant.model: origin_of(variant.model) for variant in variants}
    imports = [line for origin in origins.values() for line in origin.imports]
    names = "AutoModelForCausalLM, AutoTokenizer, GenerationConfig, StoppingCriteria"
    return [
        words(
            f"# A grid: {len(grid.questions())} prompts × {len(variants)} columns × {grid.replicas} replies, with transformers alone",
            "Replies to one prompt are drawn together (num_return_sequences). They are as many as a run of the app makes and come from the "
            "same distributions; greedy ones are the same, drawn ones are others, as in a run each reply has a seed of its own. The "
            "program of one cell or column draws those again.",
            *dict.fromkeys(origin.note for origin in origins.values()),
        ),
        code(*dict.fromkeys(imports), "import torch", "from jinja2 import TemplateError", f"from transformers import {names}"),
        words("## Prompts, columns, models", "A prompt's seed is the same in every column, so that a difference is due to the column."),
        code(
            f"PROMPTS = {literal([question.text for question in grid.questions()])}",
            f"SEEDS = {literal([question.seed for question in grid.questions()])}",
            f"REPLICAS = {grid.replicas}",
            f"COLUMNS = {literal([_column(variant) for variant in variants])}",
            *_models(origins),
            f"BASE_STOP = {list(PLAIN_STOP)!r}  # a base model goes on writing both sides of the talk",
            'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"',
        ),
        words("## From a question to ids, and where a reply ends"),
        code(ASK.strip("\n"), STOPPING),
        words("## Load each model, generate, decode"),
        code(ALL.strip("\n")),
    ]


def _column(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.label,
        "model": variant.model,
        "system": variant.system if variant.system.strip() else "",
        "seed": variant.sampling.seed,
        "stop": list(variant.sampling.stop),
        "settings": given(variant.sampling) | {"max_new_tokens": variant.sampling.max_tokens},
    }


def _models(origins: dict[str, Origin]) -> list[str]:
    lines = [f'    {name!r}: {{"place": {origin.place}, "more": {origin.options!r}}},' for name, origin in origins.items()]
    return ["MODELS = {", *lines, "}"]
