"""Subcommands of app.py. Without one, app.py serves the page."""

import getpass
import os
import sys
from collections.abc import Callable, Sequence

from chatapp import chat_cli, classify_cli, code_cli, compare_cli, models_cli, text_cli
from chatapp.errors import ChatError
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


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "chat": chat_cli.run,
    "classify": classify_cli.run,
    "code": code_cli.run,
    "compare": compare_cli.run,
    "hash-password": hash_password_command,
    "models": models_cli.run,
    "text": text_cli.run,
}


def run(argv: Sequence[str]) -> int | None:
    """Run the subcommand that argv names; its exit status, or None where argv names none."""
    if not argv or argv[0] not in COMMANDS:
        return None
    try:
        status = COMMANDS[argv[0]](argv[1:])
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
