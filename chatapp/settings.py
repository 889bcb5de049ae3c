"""Every setting once: name, type, default, environment variable (CHATAPP_*), flag and help."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chatapp.errors import ChatError, closest

ENV_PREFIX = "CHATAPP_"
EMBEDDED_MODEL = "smollm2"
SMALLEST_CONTEXT = 128
STRANGERS_WAIT = 8
FORMER = {"concurrency": "people"}
"""Names of settings → what they were called before: still taken, as flags and as variables."""


def default_data_dir() -> Path:
    """Where chats and converted models live unless --data-dir says otherwise."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "chatapp"


def on_space() -> bool:
    """Does this run as a Hugging Face Space?"""
    return bool(os.environ.get("SPACE_ID"))


def on_zerogpu() -> bool:
    """Does this run on a Space whose processes are given a GPU for the length of a call only?"""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def default_host() -> str:
    """This machine only; a Space is reached through its proxy."""
    return "0.0.0.0" if on_space() else "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Is this address, or name, reached from this machine only?"""
    bare = host.strip("[]").lower()
    return bare in ("localhost", "::1") or bare.startswith("127.")


def _comma_list(value: Any) -> Any:
    """An environment variable holds one text: 'ann:a,bob:b' is two entries."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """An empty name would be the folder that the app happens to be started in."""
    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError("folder", "a folder is needed, such as ~/chats; leave the setting out for the usual one")
    return value


def _absolute(path: Path) -> Path:
    """No shell expands ~ in an environment variable or a service's file."""
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:
        raise PydanticCustomError("folder", "there is no user of that name whose home this could be") from error


class Settings(BaseSettings):
    """What a host decides once. A flag beats the environment, the environment beats the default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    model: str = Field(
        EMBEDDED_MODEL,
        description="Model: empty for the embedded SmolLM2-135M-Instruct, Hub id org/name[@revision], folder, .gguf file, repo:file.gguf, "
        "or the address of an OpenAI-compatible server, http://host:port/v1[#name]. Given again, a further one that loads when it is "
        "first chosen",
    )
    more_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)] = Field(
        (), description="Further models to choose from, as --model given again"
    )
    revision: str = Field("", description="Branch, tag or commit of a Hub model")
    engine: Literal["auto", "direct", "batched", "llamacpp"] = Field(
        "auto", description="How the model runs: batched on CUDA, llamacpp for a GGUF on a CPU, direct elsewhere"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Number format of the weights")
    quantization: Literal["none", "int8", "int4"] = Field(
        "none", description="Smaller weights on an NVIDIA GPU, by bitsandbytes (requirements-gpu.txt); not measured on any GPU yet"
    )
    context: int = Field(
        0, ge=0, description="Tokens per person, prompt and reply together; 0 takes what the model allows, within the machine's memory"
    )
    concurrency: int = Field(4, ge=1, le=256, description="Replies generated at the same time, where the engine can")
    threads: int = Field(0, ge=0, le=512, description="CPU threads of the engine; 0 takes the cores really usable")
    draft: int = Field(
        8,
        ge=0,
        le=64,
        description="Tokens guessed ahead where a reply repeats what was said before (n-gram speculation); 0 turns it off, "
        "and a GGUF on a CPU does it for a --concurrency of at most 4",
    )
    kv_caches: int = Field(8, ge=0, description="Conversations whose KV cache the direct engine keeps between turns; 0 keeps none")
    kv_bytes: int = Field(2**30, ge=0, description="Bytes of memory that these KV caches may take together")
    max_waiting: int = Field(64, ge=0, description="Messages that may wait in the queue before a new one is refused")
    max_waiting_each: int = Field(
        0,
        ge=0,
        description="How many of these one person may have, and all strangers at one address; 0 takes half of them where only this machine "
        f"can open the page, and {STRANGERS_WAIT} with --share, --public, --allowed-hosts, another --host or on a Space",
    )
    max_running_each: int = Field(
        0,
        ge=0,
        description="How many replies may be written at once for one person, and for all strangers at one address; 0 takes all of "
        "--concurrency where only this machine can open the page, and half of them elsewhere, so that one alone never keeps everybody "
        "waiting",
    )
    host: str = Field(default_factory=default_host, description="Address to listen on; on a Space every one")
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)] = Field(
        (), description="Names besides localhost under which the page may be opened, repeatable: behind a reverse proxy or a tunnel"
    )
    data_dir: Annotated[Path, BeforeValidator(_named), AfterValidator(_absolute)] = Field(
        default_factory=default_data_dir, validate_default=True, description="Folder for chats and converted models"
    )
    database_url: SecretStr = Field(SecretStr(""), description="PostgreSQL instead of SQLite, as postgresql://user:password@host/name")
    api_key: SecretStr = Field(SecretStr(""), description="Turns on /v1 and is its bearer key; give it by environment")
    remote_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys for models at addresses, as https://host=key, several with commas between; each is sent to its own scheme, host "
        "and port alone. Give them by environment",
    )
    api_load: Literal["auto", "on", "off"] = Field(
        "auto",
        description="May a request to /v1 load a known model that is not in memory? auto: where only this machine can open the page",
    )
    auth: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)] = Field(
        (), description="Login as user:password, repeatable, or a file of user:hash lines"
    )
    share: bool = Field(False, description="Open a public Gradio link; needs --auth or --public")
    idle_unload: int = Field(
        0, ge=0, description="Minutes after which a model that nobody needs leaves the memory, to load again when somebody does; 0 keeps it"
    )
    public: bool = Field(False, description="Allow a public link without a login: visitors are kept apart by cookie")

    @property
    def local_only(self) -> bool:
        """Whoever asks sits at this machine. The one place that says so; a login alone does not."""
        return is_loopback(self.host) and not (self.share or self.public or self.allowed_hosts or on_space())

    @property
    def api_loads(self) -> bool:
        """--api-load as it holds."""
        return self.local_only if self.api_load == "auto" else self.api_load == "on"

    @property
    def waiting_each(self) -> int:
        """--max-waiting-each as it holds."""
        return self.max_waiting_each or (max(1, self.max_waiting // 2) if self.local_only else STRANGERS_WAIT)

    @property
    def running_each(self) -> int:
        """--max-running-each as it holds."""
        return self.max_running_each or (self.concurrency if self.local_only else max(1, self.concurrency // 2))


def parse(argv: Sequence[str] | None = None, commands: str = "") -> Settings:
    """Settings from flags and environment; --help ends with `commands`. Raises ChatError with the cure for anything wrong."""
    reject_unknown_environment()
    parser = argparse.ArgumentParser(
        prog="python app.py",
        usage="python app.py [flags] | python app.py COMMAND …",
        description="Serve the chat page. Every flag is an environment variable too: --max-waiting is CHATAPP_MAX_WAITING.",
        epilog=commands,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return from_namespace(add_flags(parser).parse_args(argv))


def add_flags(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """One flag for each setting; absent flags leave no trace, so that the environment counts."""
    for name, field in Settings.model_fields.items():
        names = [flag(known) for known in (name, FORMER.get(name)) if known]
        parser.add_argument(*names, dest=name, default=argparse.SUPPRESS, help=field.description, **_argument(name, field))
    return parser


def from_namespace(namespace: argparse.Namespace) -> Settings:
    """Settings from parsed flags; names that are no settings (a subcommand's own) are left out."""
    given = former_environment() | {name: value for name, value in vars(namespace).items() if name in Settings.model_fields}
    if isinstance(models := given.get("model"), list):
        given["model"], *more = models
        given |= {"more_models": [*more, *given.get("more_models", ())]} if more else {}
    if given.get("model") == "":
        given["model"] = EMBEDDED_MODEL
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ChatError(f"{flag(name)} ({env(name)}) is {first['input']!r}: {first['msg'].lower()}.") from error
    if 0 < settings.context < SMALLEST_CONTEXT:
        raise ChatError(
            f"--context {settings.context} leaves no room for a chat: templates alone take some 30 tokens. "
            f"Give at least {SMALLEST_CONTEXT}, or 0 for all that the model allows."
        )
    if any(bears_secret(name) for name in (settings.model, *settings.more_models)):
        raise ChatError("A model's address is shown, so it must hold no password and no '?': give the key in CHATAPP_REMOTE_KEYS.")
    if settings.share and not (settings.auth or settings.public):
        raise ChatError("--share makes a public link. Add --auth user:password, or --public to let anyone with the link in.")
    return settings


def bears_secret(name: str) -> bool:
    """Is this the address of a server with a user before its host, or a query behind its path? Either may be a key."""
    rest = name.partition("#")[0].partition("://")[2]
    return bool(rest) and ("@" in rest.partition("/")[0] or "?" in rest)


def flag(name: str) -> str:
    """data_dir → --data-dir"""
    return "--" + name.replace("_", "-")


def env(name: str) -> str:
    """data_dir → CHATAPP_DATA_DIR"""
    return ENV_PREFIX + name.upper()


def former_environment() -> dict[str, str]:
    """Values of variables that had another name before, where the new one says nothing."""
    return {name: os.environ[env(old)] for name, old in FORMER.items() if env(old) in os.environ and env(name) not in os.environ}


def reject_unknown_environment() -> None:
    """A misspelt CHATAPP_ variable is an error, not a silent default."""
    known = [env(name) for name in (*Settings.model_fields, *FORMER.values())]
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and name not in known:
            raise ChatError(f"The environment sets {name}, which is no setting.{closest(name, known)}")


def _argument(name: str, field: FieldInfo) -> dict[str, Any]:
    if field.annotation is bool:
        return {"action": "store_true"}
    if name == "model":
        return {"action": "append"}
    if field.annotation is tuple or getattr(field.annotation, "__origin__", None) is tuple:
        return {"action": "append"}
    choices = get_args(field.annotation)
    return {"choices": choices} if choices and all(isinstance(c, str) for c in choices) else {}
