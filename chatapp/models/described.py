"""A model of the Hub in the few words that a row or a card has for it."""

from chatapp.models.search import Found

SHORT = {"chat": "", "classifier": "classifier", "encoder": "encoder", "other": "no chat model"}
"""What a model is for, for a badge; a chat model says more of itself."""


def count(number: int) -> str:
    """1234567890 → '1.2 B'"""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def can(found: Found) -> list[tuple[str, str]]:
    """What it is for, and what its template can do, as [short, in words]."""
    if found.use.purpose != "chat":
        return [(SHORT[found.use.purpose], found.use.words)]
    able = found.abilities
    if not able.chat:
        return [("base", "It has no chat template: it goes on with a text, and a plain form of talk is written for it.")]
    words = [("chat", "It has a chat template.")]
    if able.tools:
        words.append(("tools", "Its template can tell it which functions it may call."))
    if able.switch:
        words.append(("thinking", f"Its template can have it think first, or not: {able.switch}."))
    elif able.thinks:
        words.append(("thinking", "Its template knows thoughts; there is no switch for them."))
    return words


def facts(found: Found) -> list[tuple[str, str]]:
    """What the Hub says of it, as [name, words]; what it does not say is left out."""
    gates = {"auto": "yes: terms must be accepted", "manual": "yes: its owner decides on each request"}
    said = [
        ("Parameters", count(found.parameters) if found.parameters else ""),
        ("Licence", found.licence),
        ("Gated", gates.get(found.gate, found.gate)),
        ("Private", "yes" if found.private else ""),
        ("Downloads", f"{count(found.downloads)} in 30 days"),
        ("Likes", count(found.likes)),
        ("Since", found.created),
        ("Task", found.task),
        ("Library", found.library),
        ("Family", found.model_type),
        ("Languages", ", ".join(found.languages)),
    ]
    return [(name, words) for name, words in said if words]
