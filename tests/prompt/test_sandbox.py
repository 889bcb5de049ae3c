"""A chat template may do what it likes: it ends in a sentence within seconds, and the next one is rendered."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.convert import convert_tokenizer
from chatapp.prompt import sandbox
from chatapp.prompt.sandbox import CURE, REST, TemplateProcess, harmless, with_clock
from chatapp.prompt.template import render
from chatapp.turn import Message
from tests.templates import TOKENS, tokenizer_of
from tests.tiny import make_tokenizer

CHAT = [{"role": "user", "content": "Hi {{ x }} \0 ü 😀"}, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "?"}]
FINE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(9) %}{% endfor %}{% endfor %}{% endfor %}"

WRONG = {
    "nothing": ("{{ messages[0].none.x }}", "refuses these messages: 'dict object' has no attribute 'none'"),
    "syntax": ("{% for %}", "refuses these messages"),
    "own words": ("{{ raise_exception('No systems!') }}", "refuses these messages: No systems!"),
    "sandbox": ("{{ ().__class__.__mro__ }}", "refuses these messages: .*unsafe"),
    "type": ("{{ 1 + 'a' }}", r"fails on these messages \(TypeError"),
    "import": ("{% import 'os' as os %}", r"fails on these messages \(TypeError"),
    "zero": ("{{ 1 / 0 }}", r"fails on these messages \(ZeroDivisionError"),
    "large number": ("{{ 2.0 ** 99999 }}", r"fails on these messages \(OverflowError"),
    "many digits": ("{{ 10 ** 9999 }}", r"fails on these messages \(ValueError"),
    "itself": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", r"fails on these messages \(RecursionError"),
    "brackets": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", r"fails on these messages \((RecursionError|SyntaxError)"),
    "loops": ("{% for a in [1] %}" * 30 + "{% endfor %}" * 30, r"fails on these messages \(SyntaxError"),
    "nothing at all": ("{{ self._TemplateReference__context }}", "makes no text of these messages"),
    "long": ("{{ 'a' * 20000000 }}", r"makes 20,000,000 characters of these messages"),
}


class Counted(TemplateProcess):
    """Counts what the child is asked."""

    asked = 0

    def _ask(self, told: str, seconds: float, longest: int) -> dict[str, str]:
        self.asked += 1
        return super()._ask(told, seconds, longest)


@pytest.fixture
def process():
    """A process of the test's own, which it may end."""
    made = Counted()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared():
    """One for all tests that leave it running."""
    made = TemplateProcess()
    yield made
    made.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other limits than that of time are met, however busy the machine is."""
    monkeypatch.setattr(sandbox, "SECONDS", 60.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", WRONG)
def test_what_a_template_does_wrong_is_a_sentence_and_the_next_one_works(shared: TemplateProcess, name: str) -> None:
    template, says = WRONG[name]
    with pytest.raises(ChatError, match=says):
        shared.render(template, CHAT, {})
    assert shared.render(FINE, CHAT, {}).startswith("user: Hi {{ x }} \0 ü 😀\nassistant: Ho\n")


@pytest.mark.usefixtures("patient")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
@pytest.mark.parametrize("template", ["{{ 'a' * 10**10 }}", "{% set n = namespace(a='a' * 99) %}" + "{% set n.a = n.a + n.a %}" * 40])
def test_a_template_does_not_fill_the_memory(process: TemplateProcess, template: str) -> None:
    with pytest.raises(ChatError, match="takes more memory than it is given") as caught:
        process.render(template, CHAT, {})
    assert caught.value.status == 422


def test_an_endless_template_ends_in_two_seconds_once_and_holds_up_nobody(process: Counted) -> None:
    process.render(FINE, CHAT, {})
    said: list[str] = []

    def ask() -> None:
        with pytest.raises(ChatError) as caught:
            process.render(ENDLESS, CHAT, {})
        said.append(str(caught.value))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [f"The chat template of this model did not finish within 2 s. {CURE}"] * 8
    assert process.asked == 2, "the others were refused without another try"
    assert process.render(FINE, CHAT, {})
    assert REST < 60, "a moment's load must not turn a model off for long"


def test_a_person_who_writes_is_told(process: TemplateProcess) -> None:
    with pytest.raises(ChatError, match="did not finish within 2 s") as caught:
        render([Message("user", "Hi")], make_tokenizer(ENDLESS), context=512, max_tokens=64)
    assert caught.value.status == 422


@pytest.mark.parametrize("name", TOKENS)
def test_the_text_is_the_one_of_the_library(shared: TemplateProcess, name: str) -> None:
    tokenizer = tokenizer_of(name)
    wanted = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    assert shared.render(tokenizer.get_chat_template(), CHAT, tokenizer.special_tokens_map) == wanted


@pytest.mark.parametrize("name", TOKENS)
def test_which_line_wrote_what_adds_up_to_the_text(shared: TemplateProcess, name: str) -> None:
    """Words that look like the numbers of lines are words, and then no lines are told."""
    tokenizer = tokenizer_of(name)
    template, tokens = with_clock(tokenizer.get_chat_template(), "2026-02-03"), tokenizer.special_tokens_map
    traced = shared.trace(template, CHAT, tokens)
    assert "".join(part for _, part in traced.parts) == traced.text == shared.render(template, CHAT, tokens)
    forged = [{"role": "user", "content": "Who? \ue0001\ue001 I!"}]
    assert shared.trace(template, forged, tokens).parts == [] and "\ue0001\ue001" in shared.trace(template, forged, tokens).text


def test_the_embedded_models_template_needs_no_process(smol_gguf: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(convert_tokenizer(smol_gguf, tmp_path, lambda words, share: None))
    assert harmless(tokenizer.chat_template)


def test_closing_ends_a_template_at_once_and_starts_no_other(process: TemplateProcess) -> None:
    process.render(FINE, CHAT, {})
    child, said = process._process, []

    def ask() -> None:
        with pytest.raises(ChatError) as caught:
            process.render(ENDLESS, CHAT, {})
        said.append(str(caught.value))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    begun = time.monotonic()
    process.close()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 1 and len(said) == 3
    assert child.poll() is not None and child.stdin.closed and child.stdout.closed
    with pytest.raises(ChatError, match="The app is closing"):
        process.render(FINE, CHAT, {})


def test_a_process_that_was_killed_is_replaced(process: TemplateProcess) -> None:
    process.render(FINE, CHAT, {})
    os.kill(process._process.pid, signal.SIGKILL)
    process._process.wait()
    assert process.render(FINE, CHAT, {})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_has_none_of_our_secrets(process: TemplateProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_API_KEY", "a-secret-of-ours")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    process.render(FINE, CHAT, {})
    about = Path(f"/proc/{process._process.pid}")
    assert b"secret" not in (about / "environ").read_bytes() + (about / "cmdline").read_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_fork_starts_its_own(process: TemplateProcess) -> None:
    process.render(FINE, CHAT, {})
    first = process._process.pid
    if (child := os.fork()) == 0:
        fine = process.render(FINE, CHAT, {}) and process._process.pid != first
        process.close()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert process.render(FINE, CHAT, {}) and process._process.pid == first


LEAVES = """
import sys, threading, time
from chatapp.prompt.template import _process
print(_process.render("x", [{"role": "user", "content": "x"}], {}), _process._process.pid, flush=True)
threading.Thread(target=lambda: _process.render(sys.argv[1], [{"role": "user", "content": "x"}], {}), daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize("how", ["end", "kill"])
def test_the_process_ends_with_the_app_also_in_the_middle_of_a_template(how: str) -> None:
    code = LEAVES if how == "end" else LEAVES + "time.sleep(60)"
    app = subprocess.Popen([sys.executable, "-c", code, ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text, pid = app.stdout.readline().split()
    begun = time.monotonic()
    if how == "kill":
        app.kill()
    app.wait(10)
    app.stdout.close()
    while time.monotonic() - begun < 6 and alive(int(pid)):
        time.sleep(0.05)
    assert text == "x" and not alive(int(pid))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
