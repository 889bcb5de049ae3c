"""One reply as a program: load, template, ids, attention mask, generate with its settings, decode, and compare with what was recorded."""

from collections.abc import Sequence

from chatapp.lab.code.cells import Cell, code, literal, words
from chatapp.lab.code.origin import Origin
from chatapp.lab.code.record import CHUNK, Recipe, chat, promise, recipe, settings
from chatapp.turn import Turn

LOADING = (
    "## Load",
    "A model is two things: a tokenizer, which cuts text into pieces and gives each a number (its id), and the network, which reads ids "
    "and gives a score (a logit) for every id that could come next.",
)
CLOCK = """template = re.sub(
    r'''strftime_now\\(\\s*(['"])(.{0,100}?)\\1\\s*\\)''',
    lambda asked: json.dumps(DAY.strftime(asked[2])),
    tokenizer.get_chat_template(),
)"""
CALL = "input_ids=input_ids, attention_mask=attention_mask"
STOPS = ", stopping_criteria=[AtStopString()]"
STOPPING = '''
class AtStopString(StoppingCriteria):
    """Ends a reply once its words hold one of the texts in STOP."""

    def __call__(self, all_ids, scores, **more):
        said = tokenizer.batch_decode(all_ids[:, START:], skip_special_tokens=True)
        return torch.tensor([any(stop in one for stop in STOP) for one in said], device=all_ids.device)
'''


def of_turn(turn: Turn, origin: Origin) -> list[Cell]:
    """The program of an ended turn. Raises ChatError where its ids were not recorded."""
    made = recipe(turn)
    who = f"{turn.model} ({turn.engine or 'unknown engine'}, {turn.dtype or 'unknown dtype'})"
    versions = ", ".join(f"{name} {turn.versions[name]}" for name in ("transformers", "torch") if name in turn.versions)
    head = words(
        "# A reply, made again with transformers", f"It was written by {who}{', with ' + versions if versions else ''}.", promise(turn)
    )
    return [head, *loading(origin, clock=bool(turn.date), stop=bool(made.stop)), *_prompt(made), *_mask(), *_generate(made), *_decode(made)]


def loading(origin: Origin, *, clock: bool, stop: bool) -> list[Cell]:
    """Imports, tokenizer, model."""
    names = ["AutoModelForCausalLM", "AutoTokenizer", "GenerationConfig", *(["StoppingCriteria"] if stop else [])]
    quantized = (
        f"{origin.gguf} holds quantized weights: transformers turns them back into {origin.dtype} numbers, which takes some seconds."
        if origin.gguf
        else ""
    )
    own = [*(["import json", "import re", "from datetime import date"] if clock else []), *origin.imports]
    return [
        words(*LOADING, quantized, origin.note),
        code(*own, *([""] if own else []), "import torch", f"from transformers import {', '.join(names)}", "", *load_lines(origin)),
    ]


def load_lines(origin: Origin) -> list[str]:
    """The model that `origin` names."""
    return [
        f"MODEL = {origin.place}",
        f"OPTIONS = {literal(origin.options)}",
        'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"',
        "tokenizer = AutoTokenizer.from_pretrained(MODEL, **OPTIONS)",
        f"model = AutoModelForCausalLM.from_pretrained(MODEL, **OPTIONS, dtype=torch.{origin.dtype}).to(DEVICE).eval()",
    ]


def _prompt(made: Recipe) -> list[Cell]:
    """Messages → text → ids, and the recorded ids where those are others."""
    turn = made.turn
    return [
        words("## From messages to a prompt", *(_base_model() if made.text else _templated(made))),
        code(*([f"text = {literal(made.text)}"] if made.text else _template_lines(made)), "print(text)"),
        words(
            "## Ids",
            "The tokenizer cuts the text. Special tokens stand in it already, so none is added.",
            "What the model was given is recorded. Where the text gives other ids here, the recorded ones are used.",
        ),
        code(
            'ids = tokenizer(text, add_special_tokens=False)["input_ids"]',
            *([f"ids += {literal(list(made.beginning))}  # the beginning of the reply, which was given, too"] if made.beginning else []),
            f"RECORDED = {literal(list(turn.prompt_ids))}",
            "if ids != RECORDED:",
            f"    print({literal(f'Other ids than recorded, so the recorded ones are used. {_why_other(turn)}')})",
            "    ids = RECORDED",
            "print(len(ids), tokenizer.convert_ids_to_tokens(ids)[:20])",
        ),
    ]


def _base_model() -> tuple[str, ...]:
    return (
        "This is a base model: it has no chat template and was not trained to talk. It goes on with a text, so the question is written as "
        "one line of a conversation, and the model writes the next.",
    )


def _templated(made: Recipe) -> tuple[str, ...]:
    dropped = made.turn.dropped_messages
    left = (
        f"The {dropped} oldest messages did not fit into the context and were left out; these are the ones that were read."
        if dropped
        else ""
    )
    return (
        "A chat model reads one long text. Its chat template, a small program that comes with the tokenizer, writes the messages into it, "
        "with special tokens that say who speaks; the last ones ask for the assistant's turn.",
        left,
    )


def _template_lines(made: Recipe) -> list[str]:
    lines = [f"messages = {literal(chat(made.messages))}"]
    template = ""
    if made.turn.date:
        lines += [f"DAY = date.fromisoformat({made.turn.date!r})  # the template writes the date: that of the reply", CLOCK]
        template = "chat_template=template, "
    return [*lines, f"text = tokenizer.apply_chat_template(messages, {template}add_generation_prompt=True, tokenize=False)"]


def _why_other(turn: Turn) -> str:
    if turn.escaped_special_tokens:
        typed = ", ".join(turn.escaped_special_tokens)
        return f"The messages hold {typed}, which was cut as plain text, so that nobody can write another's turn."
    if not any(span.kind == "content" for span in turn.spans):
        return "Which words of that prompt stood in which message could not be told."
    return "This tokenizer or its template is not the one of then."


def _mask() -> list[Cell]:
    return [
        words(
            "## Attention mask", "1 for a token that is read, 0 for padding. One prompt alone has none; several of different lengths would."
        ),
        code("input_ids = torch.tensor([ids], device=DEVICE)", "attention_mask = torch.ones_like(input_ids)", "START = len(ids)"),
    ]


def _generate(made: Recipe) -> list[Cell]:
    turn = made.turn
    chunked = turn.engine == "direct" and len(turn.prompt_ids) > CHUNK
    return [
        words(
            "## Generate",
            "The model gives scores for the next token, the settings turn them into a choice, the chosen id is appended, and so on, until "
            "an id that ends a reply, a stop string, or the limit.",
            "The model's own generation_config is put aside: only what stands here acts.",
        ),
        code(
            *ends_lines(made.end),
            "model.generation_config = GenerationConfig(",
            *settings(turn.sampling, made.max_tokens),
            *(
                [f"    prefill_chunk_size={CHUNK},  # as the engine read the prompt: numbers round otherwise in other pieces"]
                if chunked
                else []
            ),
            "    eos_token_id=ends,",
            "    pad_token_id=ends[0] if ends else 0,",
            ")",
            *stop_lines(made.stop),
            *([f"torch.manual_seed({turn.seed})"] if turn.seed is not None and not turn.sampling.greedy else []),
            f"output = model.generate({CALL}{STOPS if made.stop else ''})",
        ),
    ]


def ends_lines(recorded: int | None) -> list[str]:
    """The ids that end a reply: the model's, the tokenizer's, and the one that ended this."""
    more = "" if recorded is None else f", {recorded}"
    return [
        "own = model.generation_config.eos_token_id",
        f"ends = sorted({{*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id{more}}} - {{None}})",
    ]


def stop_lines(stop: Sequence[str]) -> list[str]:
    """Nothing where there are none."""
    return [f"STOP = {literal(list(stop))}", STOPPING] if stop else []


def _decode(made: Recipe) -> list[Cell]:
    before = made.turn.prefix_tokens
    return [
        words("## Decode", "Ids become text again; special tokens are left out."),
        code(
            "reply_ids = output[0, START:].tolist()",
            f"reply = tokenizer.decode({f'ids[-{before}:] + ' if before else ''}reply_ids, skip_special_tokens=True)",
            *cut_lines(made.stop),
            "print(reply)",
        ),
        words("## Is it the recorded reply?"),
        code(
            f"RECORDED_REPLY = {literal(list(made.turn.reply_ids))}",
            "pairs = list(zip(reply_ids, RECORDED_REPLY))",
            "same = next((n for n, (mine, theirs) in enumerate(pairs) if mine != theirs), len(pairs))",
            'whole = "The same reply" if reply_ids == RECORDED_REPLY else "Another reply"',
            'print(f"{whole}: {same} of {len(RECORDED_REPLY)} recorded ids are the same from the beginning on.")',
        ),
    ]


def cut_lines(stop: Sequence[str]) -> list[str]:
    """A stop string and what follows it are not shown."""
    return ["for stop in STOP:", "    reply = reply.partition(stop)[0]"] if stop else []
