"""What the model is asked: the messages of a path, and the prompt of a turn, new or continuing a reply."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from chatapp import __version__, strict_json
from chatapp.engines.base import Engine
from chatapp.engines.tokens import ChatTokenizer
from chatapp.errors import ChatError
from chatapp.models.identity import foreign_id, made_by, refuse_foreign_ids, why_another
from chatapp.models.info import ModelInfo
from chatapp.prompt.template import reply_room
from chatapp.sampling import MAX_SEED, MAX_STOP_STRINGS, Sampling
from chatapp.turn import Event, Message, Prompt, Turn

MAX_CHARACTERS = 2_000_000
"""More than any context holds; refused before a tokenizer spends seconds on it."""


@dataclass(frozen=True)
class ReplyPrefix:
    """The given beginning of a reply: `source`'s prompt, then `kept` ids after it. `text` is the whole beginning as read."""

    source: Turn
    kept: tuple[int, ...]
    text: str

    def fits(self, info: ModelInfo) -> bool:
        """Whether the ids mean the same to this model; otherwise only the text can be used."""
        if not self.source.prompt_ids or not (self.kept or self.text == self.source.prefix_text):
            return False
        foreign = foreign_id((*self.source.prompt_ids, *self.kept), info.vocabulary) is not None
        return not foreign and made_by(self.source).compare(info.id) == "same"


def continued(turn: Turn, engine: Engine | None) -> ReplyPrefix:
    """All of a cut reply. An end-of-turn token at its end is left out, text held back at the cut is taken in."""
    kept = tuple(turn.reply_ids)
    if engine is None or engine.tokens is None or not kept or not ReplyPrefix(turn, kept, turn.reply).fits(engine.info):
        return ReplyPrefix(turn, kept, turn.reply)
    if kept[-1] in engine.tokens.ends:
        kept = kept[:-1]
    text = _decoded(turn, kept, engine.tokens)
    return ReplyPrefix(turn, kept, turn.prefix_text + text if text.startswith(turn.reply_text) else turn.reply)


def branched(turn: Turn, position: int, token_id: int, engine: Engine) -> ReplyPrefix:
    """The reply up to `position`, then another token. Raises ChatError when that token cannot stand there."""
    if engine.tokens is None:
        raise ChatError(f"The {engine.info.engine} engine gives text, not token ids, so no branch can begin at one.", status=422)
    if not 0 <= position < len(turn.reply_ids):
        raise ChatError(f"Token {position} of a reply of {len(turn.reply_ids)} tokens does not exist.", status=422)
    if not 0 <= token_id < len(engine.tokens):
        raise ChatError(f"Token id {token_id} is outside the vocabulary of {len(engine.tokens)} entries.", status=422)
    if token_id in engine.tokens.ends:
        raise ChatError("That token ends the reply, so nothing can follow it. Choose another one.", status=422)
    kept = (*turn.reply_ids[:position], token_id)
    if not turn.prompt_ids:
        raise ChatError("This reply has no recorded prompt tokens, so nothing can follow its beginning. Regenerate it first.", status=409)
    if why := why_another(made_by(turn), engine.info.id):
        raise ChatError(f"{why} Regenerate it first.", status=409)
    refuse_foreign_ids(turn, engine.info.vocabulary, turn.model)
    return ReplyPrefix(turn, kept, turn.prefix_text + _decoded(turn, kept, engine.tokens))


def _decoded(turn: Turn, ids: Sequence[int], tokens: ChatTokenizer) -> str:
    return tokens.text_of(ids, turn.prompt_ids[-turn.prefix_tokens :] if turn.prefix_tokens else ())


def clean(text: str) -> str:
    """The text as it can be stored and tokenized: no NUL, no half surrogate pairs. Raises ChatError when empty or absurdly long."""
    text = strict_json.text(text)
    if not text.strip():
        raise ChatError("There is nothing to send: the message is empty.", status=422)
    if len(text) > MAX_CHARACTERS:
        raise ChatError(f"The message has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken. Shorten it.", status=413)
    return text


def messages_of(path: Sequence[Turn], *, system: str, history: Sequence[Message] = (), user: str = "") -> list[Message]:
    """system + the path (what came with a turn, its question, its reply) + `history` + the new question.

    An import keeps half surrogate pairs as they were; no tokenizer takes them, so here they are U+FFFD. A question the model was never
    given (taken back, or refused before it ran) is left out. One that got no reply is joined to the next question, because templates
    want a reply between two questions.
    """
    messages = [Message("system", system)] if system.strip() else []
    for turn in path:
        messages += turn.history
        if not never_asked(turn):
            messages.append(Message("user", turn.user))
            messages += [Message("assistant", turn.reply)] if turn.reply else []
    messages += history
    messages += [Message("user", user)] if user else []
    return _joined([Message(m.role, strict_json.text(m.content)) for m in messages])


def never_asked(turn: Turn) -> bool:
    """Taken back while it waited, or refused before an engine took it."""
    return not turn.timings.started and not turn.reply and turn.finish_reason in ("stopped", "error")


def _joined(messages: Sequence[Message]) -> list[Message]:
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role == "user":
            joined[-1] = Message("user", f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    return joined


def build_prompt(turn: Turn, path: Sequence[Turn], engine: Engine, beginning: ReplyPrefix | None = None) -> Prompt:
    """The prompt of `turn`, whose earlier turns are `path`. Raises ChatError with both numbers when it cannot fit."""
    context = engine.capabilities.context
    messages = messages_of(path, system=turn.system, history=turn.history, user=turn.user)
    if beginning is not None and beginning.fits(engine.info) and quotes_only(beginning.source, messages):
        prompt = _after(beginning)
    else:
        prompt = engine.render(messages, max_tokens=turn.sampling.max_tokens, prefix=beginning.text if beginning else "")
    if len(prompt.ids) >= context:
        full = f"This chat fills the context: {len(prompt.ids)} tokens, and the model holds {context}, reply included."
        raise ChatError(f"{full} Shorten it, or start a new chat.", status=413)
    return prompt


def quotes_only(source: Turn, messages: Sequence[Message]) -> bool:
    """Is everything that was said in a turn's prompt still in the chat? An exchange before it may have been deleted since."""
    said = {source.prompt_text[span.start : span.end] for span in source.spans if span.kind == "content"}
    return all(any(words in message.content for message in messages) for words in said)


def _after(beginning: ReplyPrefix) -> Prompt:
    """The very ids of the old prompt and reply, never tokenized again: the model goes on from where it was."""
    old = beginning.source
    return Prompt(
        ids=(*old.prompt_ids, *beginning.kept),
        text=old.prompt_text,
        spans=old.spans,
        dropped_messages=old.dropped_messages,
        escaped_special_tokens=old.escaped_special_tokens,
        date=old.date,
        prefix_tokens=old.prefix_tokens + len(beginning.kept),
    )


def stamp(turn: Turn, prompt: Prompt, engine: Engine) -> None:
    """Write into the turn what the model is given, which model it is, and the seed the reply will be drawn with."""
    info, turn.seed = engine.info, effective_seed(turn.sampling, engine)
    turn.prompt_text, turn.prompt_ids, turn.spans = prompt.text, tuple(prompt.ids), prompt.spans
    turn.dropped_messages, turn.escaped_special_tokens = prompt.dropped_messages, prompt.escaped_special_tokens
    turn.date, turn.prefix_tokens = prompt.date, prompt.prefix_tokens
    turn.model, turn.revision, turn.engine, turn.device, turn.dtype = info.model, info.revision, info.engine, info.device, info.dtype
    turn.versions = {"chatapp": __version__, **info.versions}


def effective_seed(sampling: Sampling, engine: Engine) -> int | None:
    """The asked seed; else a fresh one, where the engine can repeat a draw, so that every reply can be made again."""
    if sampling.seed is not None or sampling.greedy or not engine.capabilities.has("seed"):
        return sampling.seed
    return secrets.randbelow(MAX_SEED)


def replying(turn: Turn, engine: Engine) -> AsyncGenerator[Event]:
    """The engine's events for a turn that is stamped: by the very ids, or by the recorded words where it takes those."""
    sampling = engine_sampling(turn, engine)
    return engine.answer(turn.prompt_text, sampling) if engine.tokens is None else engine.generate(turn.prompt_ids, sampling)


def engine_sampling(turn: Turn, engine: Engine) -> Sampling:
    """What the engine is asked for: at most the tokens the context still holds, and a base model's own stop strings."""
    room = reply_room(len(turn.prompt_ids), engine.capabilities.context, turn.sampling.max_tokens)
    own = engine.tokens.stop_strings if engine.tokens else ()
    stop = dict.fromkeys((*own, *filter(None, map(strict_json.text, turn.sampling.stop))))
    return replace(turn.sampling, max_tokens=room, seed=turn.seed, stop=tuple(stop)[:MAX_STOP_STRINGS])
