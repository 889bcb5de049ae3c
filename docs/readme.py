"""Write README's settings table and docs/tree.md from the code: `python -m docs.readme`. A test fails when they differ."""

import ast
import re
from pathlib import Path

from chatapp.settings import Settings, env, flag

ROOT = Path(__file__).resolve().parents[1]
README, TREE = ROOT / "README.md", ROOT / "docs" / "tree.md"
OTHERS = {
    "Makefile": "run, native, test, test-slow, test-oldest, stress, upgrade, bench, gpu-check, lint, format",
    "Spacefile": "the settings a host may set",
    "constraints.txt": "the exact versions that were tested",
    "requirements.txt": "runtime",
    "requirements-dev.txt": "tests and lint",
    "requirements-bench.txt": "peers of the benchmark",
    "requirements-model.txt": "the embedded model",
    "requirements-gpu.txt": "--quantization on an NVIDIA GPU",
    "requirements-train.txt": "datasets of the Hub and .parquet, to train on",
    "requirements-minilm.txt": "an encoder to fine-tune without the Hub",
    "package.json": "lint of scripts and styles; its rules stand in biome.json",
    "assets": "style, scripts, icons, screenshots",
    "CONTRIBUTING.md": "how to add an engine, a page, an X-ray view, a sampling setting",
    "docs": "the design, the protocol, the numbers, this tree, and what keeps them true",
    "tests": "mirrors chatapp; js/ runs the page's scripts without a browser, browser/ drives Chromium, stress/ attacks the running app",
}
SKIP = ("__init__.py", "__pycache__")


def settings_table() -> str:
    rows = ["| flag | environment | default | what it does |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{flag(name)}` | `{env(name)}` | {shown_default(name)} | {field.description.replace('|', ' or ')} |")
    return "\n".join(rows)


def shown_default(name: str) -> str:
    if name == "data_dir":
        return "`~/.local/share/chatapp`"
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return f"`{value}`" if value not in ("", (), None) else ""


def clause(path: Path) -> str:
    """The first sentence of a module's docstring, as one clause."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[a-z`)\]])\. ", text)[0].rstrip(".").replace("`", "")


def tree() -> str:
    lines = [f"app.py  {clause(ROOT / 'app.py')}", *branch(ROOT / "chatapp", 0)]
    lines += [f"{name}  {words}" for name, words in OTHERS.items()]
    return "# File tree\n\nWritten by `make docs` from the modules' own docstrings.\n\n```\n" + "\n".join(lines) + "\n```\n"


def branch(folder: Path, depth: int) -> list[str]:
    """A folder's line, its modules, then its folders."""
    head = clause(folder / "__init__.py") if (folder / "__init__.py").exists() else ""
    lines = [f"{'  ' * depth}{folder.name}/  {head}".rstrip()]
    entries = sorted(p for p in folder.iterdir() if p.name not in SKIP)
    lines += [f"{'  ' * (depth + 1)}{p.name}  {clause(p)}" for p in entries if p.suffix == ".py"]
    for sub in (p for p in entries if p.is_dir() and any(p.glob("*.py"))):
        lines += branch(sub, depth + 1)
    return lines


def filled(text: str) -> str:
    """README with the settings as the code has them now."""
    return re.sub(r"(?<=is an error\.\n\n)\|.*?(?=\n\n## )", lambda _: settings_table(), text, flags=re.S)


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
    TREE.write_text(tree())
