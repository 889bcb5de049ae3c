"""The house rules, read from the code with ast: imports point downwards, heavy packages stay in their rooms, one template call."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [*sorted((ROOT / "chatapp").rglob("*.py")), ROOT / "app.py"]
FLOORS = {
    "errors": 0,
    "signals": 0,
    "versions": 0,
    "strict_json": 0,
    "identity": 1,
    "tasks": 1,
    "markdown": 1,
    "sampling": 1,
    "turn": 1,
    "settings": 1,
    "prompt": 2,
    "models": 2,
    "engines": 3,
    "store": 3,
    "transfer": 4,
    "resident": 4,
    "chat": 5,
    "xray": 6,
    "lab": 6,
    "server": 7,
    "pages": 8,
    "chat_cli": 9,
    "cli": 9,
    "code_cli": 9,
    "compare_cli": 9,
    "files_cli": 8,
    "models_cli": 9,
    "models_cli_here": 9,
    "models_cli_hub": 9,
    "text_cli": 8,
    "classify_cli": 8,
    "train_cli": 8,
    "finetune_cli": 8,
    "bench": 9,
    "deploy": 9,
    "deploy_cli": 9,
    "app": 10,
}
MAY_IMPORT = {
    "gradio": ("pages", "app", "bench"),
    "torch": ("engines", "models", "xray", "lab", "bench"),
    "sqlalchemy": ("store", "migrations", "bench"),
}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "app" or len(parts) == 1 else parts[1]


@cache
def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def floor_of(module: str) -> int | None:
    """The floor of a `chatapp.x.y` import; the package itself (its version) is the ground."""
    parts = module.split(".")
    return FLOORS.get(parts[1]) if parts[0] == "chatapp" and len(parts) > 1 else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_only_downwards(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "migrations"):
        return
    assert here in FLOORS, f"{path} is in no room of FLOORS: give it a floor"
    for module in imports(path):
        target = floor_of(module)
        assert target is None or target <= FLOORS[here], f"{path.name} ({here}) imports {module} from a floor above"


@pytest.mark.parametrize(("package", "rooms"), MAY_IMPORT.items())
def test_heavy_packages_stay_in_their_rooms(package: str, rooms: tuple[str, ...]) -> None:
    users = {str(p.relative_to(ROOT)) for p in FILES if any(m.split(".")[0] == package for m in imports(p))}
    strangers = [u for u in users if not any(room(ROOT / u).startswith(r) for r in rooms)]
    assert strangers == []


def test_the_chat_template_is_applied_in_one_file_only() -> None:
    assert [p.name for p in FILES if "apply_chat_template" in calls(p)] == ["template.py"]
    assert [p.name for p in FILES if "render_jinja_template(" in p.read_text()] == ["sandbox_child.py"]


def calls(path: Path) -> set[str]:
    """Names of methods that a file calls; what stands in a text that it writes is no call."""
    found = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {func.attr for func in found if isinstance(func, ast.Attribute)}


def test_an_engine_may_lack_a_tokenizer_so_only_engines_and_xray_read_it() -> None:
    readers = {room(p) for p in FILES if "engine.tokenizer" in p.read_text()}
    assert readers <= {"engines", "xray", "bench"}


def test_no_module_is_called_utils_or_core() -> None:
    assert [p for p in FILES if p.stem in ("utils", "core", "helpers")] == []


def test_nothing_catches_every_exception() -> None:
    broad = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") == "Exception"):
                broad.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert broad == []


MOST = {"lines of a file": 300, "lines of a function": 40, "methods of a class": 15}


def sizes(path: Path) -> list[tuple[str, str, int]]:
    """(what of MOST, name, how many) of a file and all that it defines."""
    text = path.read_text()
    found = [("lines of a file", "", len(text.splitlines()))]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(("lines of a function", node.name, node.end_lineno - node.lineno + 1))
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            found.append(("methods of a class", node.name, len(methods)))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_too_large_to_be_read_at_a_glance(path: Path) -> None:
    assert [(what, name, count) for what, name, count in sizes(path) if count > MOST[what]] == []


SCRIPTS = sorted([*(ROOT / "assets").glob("*.js"), *(ROOT / "tests/js").glob("*.js")])


def test_no_line_of_a_script_is_longer_than_one_of_ours() -> None:
    """Biome wraps code, and leaves long texts as they are."""
    longest = 140
    lines = [(path.name, number, len(line)) for path in SCRIPTS for number, line in enumerate(path.read_text().splitlines(), 1)]
    assert [line for line in lines if line[2] > longest] == []
