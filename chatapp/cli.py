"""Subcommands of app.py. Without one, app.py serves the page."""

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatapp import chat_cli, classify_cli, code_cli, compare_cli, deploy_cli, finetune_cli, models_cli, text_cli, train_cli
from chatapp.errors import ChatError, closest
from chatapp.server.auth import hash_password


def hash_password_command(arguments: Sequence[str]) -> int:
    """Ask for a password and print the user:hash line for a file given to --auth."""
    if len(arguments) != 1 or ":" in arguments[0]:
        raise ChatError("Say for whom: python app.py hash-password NAME (a name without a colon).")
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise ChatError("The password is empty. Type one.")
    print(f"{arguments[0]}:{hash_password(password)}")
    return 0


class Command(NamedTuple):
    """`run` is given what follows the name and returns the exit status."""

    run: Callable[[Sequence[str]], int]
    words: str


COMMANDS = {
    "chat": Command(chat_cli.run, "talk to a model in the terminal"),
    "classify": Command(classify_cli.run, "texts → logits → softmax → label, and which words decided"),
    "code": Command(code_cli.run, "a reply or a grid as a script or a notebook"),
    "compare": Command(compare_cli.run, "prompts × models and settings, and what made the difference"),
    "deploy": Command(deploy_cli.run, "a Hugging Face Space with this app"),
    "finetune": Command(finetune_cli.run, "teach a chat model your pairs, by a LoRA adapter"),
    "hash-password": Command(hash_password_command, "a line for a file given to --auth"),
    "models": Command(models_cli.run, "find, fetch, understand and delete models"),
    "text": Command(text_cli.run, "any text through one model or two: tokens, attention by layer"),
    "train": Command(train_cli.run, "a small GPT-2 from random weights, as a recipe says"),
}


def described() -> str:
    """For --help: every command with its words."""
    width = max(map(len, COMMANDS))
    return "commands, each with a --help of its own:\n" + "".join(
        f"  {name:{width}}  {command.words}\n" for name, command in COMMANDS.items()
    )


def run(argv: Sequence[str]) -> int | None:
    """Run the subcommand that argv names; its exit status, or None where argv names none. Raises ChatError for one that there is not."""
    if not argv or argv[0].startswith("-"):
        return None
    if argv[0] not in COMMANDS:
        raise ChatError(
            f"There is no command {argv[0]}.{closest(argv[0], COMMANDS)} There are {', '.join(COMMANDS)}; without one the page is served."
        )
    try:
        status = COMMANDS[argv[0]].run(argv[1:])
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
