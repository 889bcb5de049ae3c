"""A Space on the Hub: looked at, made where it is not there, and brought to what is wanted. What is so already is left alone."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatapp.deploy.files import Files, belongs, changes, files
from chatapp.deploy.model import Model, asked, source_of
from chatapp.deploy.refusals import UPLOAD, Denied, asking
from chatapp.deploy.requirements import on_zero
from chatapp.deploy.spacefile import ENGINE, MODEL, Spacefile
from chatapp.errors import ChatError
from chatapp.models.hub_access import OURS, Hub
from chatapp.models.memory import gigabytes

if TYPE_CHECKING:
    from huggingface_hub import HfApi

USUAL = "cpu-basic"
"""What the Hub gives where nothing else is asked for."""

Told = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a Space is to be. An empty `model` or `hardware`, and `private` False, leave what is there, or what is usual.

    `secrets` are name → value: no value is told, shown or written anywhere.
    """

    name: str
    model: str = ""
    hardware: str = ""
    private: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Standing:
    """What there is of a Space: path → id of its files, its variables, the names of its secrets, the hardware that was asked for."""

    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    hardware: str = USUAL
    private: bool = False


def deploy(wanted: Wanted, spacefile: Spacefile, told: Told, hub: Hub = OURS) -> str:
    """Makes or updates the Space, tells each step, and gives its address. Raises ChatError for whatever the Hub refuses."""
    told(f"On the Hub as {who(hub)}.")
    there = look(wanted.name, hub)
    if there and not belongs(there.files):
        raise ChatError(f"{wanted.name} is a Space with something else in it, which stays as it is. Choose another name, or empty it.")
    hardware = wanted.hardware or (there or Standing()).hardware
    settled = settle(wanted, spacefile, there, hardware)
    held = {*wanted.secrets, *(there.secrets if there else ())}
    refuse_both(wanted.name, settled, held)
    model = asked(source_of(settled[MODEL]), hub, token="HF_TOKEN" in held)
    told(f"Model: {model.name}, fetched {'while the Space is built' if model.files else 'when the Space starts'}.")
    content = files(wanted.name, model, hardware, held)
    if there:
        update(wanted, there, settled, hub, told)
    else:
        create(wanted, settled, hub, told)
    upload(wanted.name, content, (there or Standing()).files, hub, told)
    return f"{hub.address}/spaces/{wanted.name}"


def who(hub: Hub) -> str:
    """The account's name. Raises ChatError without a token, with one that the Hub does not know, and with one that only reads."""
    from huggingface_hub import get_token

    if not (hub.token or get_token()):
        raise Denied("The Hub makes a Space for a known account alone, and there is no token.", status=401)
    found = asking(hub, "", lambda: hub.api().whoami())
    role = (found.get("auth", {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise Denied(f"The token of {found['name']} may only read.", status=403)
    return found["name"]


def look(name: str, hub: Hub) -> Standing | None:
    """The Space as it is; None where there is none that this account sees."""
    return asking(hub, name, lambda: _look(name, hub.api()))


def _look(name: str, api: "HfApi") -> Standing | None:
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        found = api.space_info(name)
    except RepositoryNotFoundError:
        return None
    runtime = api.get_space_runtime(name)
    tree = [file for file in api.list_repo_tree(name, recursive=True, repo_type="space") if isinstance(file, RepoFile)]
    return Standing(
        {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in tree},
        {key: variable.value for key, variable in api.get_space_variables(name).items()},
        frozenset(api.get_space_secrets(name)),
        str(runtime.requested_hardware or runtime.hardware or USUAL),
        bool(found.private),
    )


def settle(wanted: Wanted, spacefile: Spacefile, there: Standing | None, hardware: str) -> dict[str, str]:
    """All that the Space has then: what is asked for, before what is there, before what Spacefile presets."""
    asked_for = dict(wanted.variables)
    if wanted.model:
        asked_for[MODEL] = wanted.model
    if on_zero(hardware):
        asked_for.setdefault(ENGINE, "direct")  # the one that hands its runs to a process with the GPU
    return {**spacefile.presets, **(there.variables if there else {}), **asked_for}


def refuse_both(name: str, variables: Collection[str], secrets: Collection[str]) -> None:
    """Raises ChatError where a name would be that of a variable and of a secret, made by hand: its value would be nobody's to foresee."""
    if both := sorted({*variables} & {*secrets}):
        raise ChatError(
            f"{name} would have {', '.join(both)} as a variable, which everybody can read, and as a secret. On the Space's page, under "
            "Settings, delete what was made there by hand, then run the same command again.",
            status=409,
        )


def create(wanted: Wanted, settled: Mapping[str, str], hub: Hub, told: Told) -> None:
    """An empty Space that has its variables and secrets from the first second on."""

    def make() -> None:
        hub.api().create_repo(
            wanted.name,
            repo_type="space",
            space_sdk="gradio",
            space_hardware=wanted.hardware or None,
            private=wanted.private or None,
            space_variables=[{"key": key, "value": value} for key, value in settled.items()],
            space_secrets=[{"key": key, "value": value} for key, value in wanted.secrets.items()],
        )

    asking(hub, wanted.name, make, wanted.hardware or USUAL)
    told(f"Space {wanted.name}: created on {wanted.hardware or USUAL}{', private' if wanted.private else ''}.")
    tell_set(settled, wanted.secrets, told)


def update(wanted: Wanted, there: Standing, settled: Mapping[str, str], hub: Hub, told: Told) -> None:
    """Only what differs is sent: each change restarts a Space. A secret cannot be read, so one that is given is always set."""
    told(f"Space {wanted.name}: it is there, and is updated.")
    api = hub.api()
    if wanted.hardware and wanted.hardware != there.hardware:
        asking(hub, wanted.name, lambda: api.request_space_hardware(wanted.name, wanted.hardware), wanted.hardware)
        told(f"Hardware: {there.hardware} → {wanted.hardware}.")
    if wanted.private and not there.private:
        asking(hub, wanted.name, lambda: api.update_repo_settings(wanted.name, visibility="private", repo_type="space"))
        told("It is private now.")
    changed = {key: value for key, value in settled.items() if there.variables.get(key) != value}
    for key, value in changed.items():
        asking(hub, wanted.name, lambda key=key, value=value: api.add_space_variable(wanted.name, key, value))
    for key, value in wanted.secrets.items():
        asking(hub, wanted.name, lambda key=key, value=value: api.add_space_secret(wanted.name, key, value))
    tell_set(changed, wanted.secrets, told)


def tell_set(variables: Mapping[str, str], secrets: Mapping[str, str], told: Told) -> None:
    """Variables with their values, secrets by their names alone."""
    if variables:
        told(f"Variables set: {', '.join(f'{key}={value}' for key, value in variables.items())}.")
    if secrets:
        told(f"Secrets set: {', '.join(secrets)}.")


def upload(name: str, content: Files, there: Mapping[str, str], hub: Hub, told: Told) -> None:
    """What changed, as one commit, which is taken whole or not at all."""
    sent, gone = changes(content, there)
    told(f"Files: {len(content)}, {size(content)}; {len(sent)} to send ({size(sent)}), {len(gone)} to remove.")
    if not sent and not gone:
        return told("Nothing changed, so nothing is sent.")
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations = [*(CommitOperationAdd(path, data) for path, data in sent.items()), *(CommitOperationDelete(path) for path in gone)]
    commit = {"repo_id": name, "repo_type": "space", "commit_message": "Deploy chatapp"}
    asking(hub, name, lambda: hub.api().create_commit(operations=operations, **commit), seconds=UPLOAD)
    told("Sent. The Space builds itself now, which takes minutes; its page shows the log.")


def size(content: Files) -> str:
    return gigabytes(sum(map(len, content.values())))


def described(content: Files, model: Model) -> str:
    """For a folder that is written in place of a Space."""
    fetched = f"{len(model.files)} files of it are fetched at the build" if model.files else "the Hub was not asked which files it has"
    return f"Files: {len(content)}, {size(content)}. Model: {model.name}; {fetched}."
