"""A reply that grew word by word stands on the page as one that came whole, however it was cut; what was selected in it stays."""

from random import Random

from playwright.sync_api import Page

from chatapp.markdown import Growing
from tests.markdown.test_growing import PIECES

MORE = (
    *("```py\ndef f():\n", "    return 'x'\n", "```\n\n", "```mermaid\n", "1. a\n   - b\n", "\n| a | b |\n|--|:-:|\n", "| 1 | 2 |\n"),
    *("<details open>\n", "<summary>**s**</summary>\n", "\n</details>\n\n", "- [ ] "),
    *("e\u0301", "\U0001f469", "\u200d\U0001f469", "\ufe0f"),
    *("שלום ", "word " * 9, "x" * 90, "\\begin{pmatrix} a & b \\\\ c \\end{pmatrix}", "**bold**", "*", "`"),
    *("<!-- c -->", "<kbd>k</kbd>"),
)

GROWN = """(replies) => {
  const { fill, place } = chatapp.blocks, home = () => chatapp.el("div"), wrong = [];
  const shape = (node) => { const copy = node.cloneNode(true); copy.normalize(); return copy.innerHTML; };
  const buttons = (node) => [...node.querySelectorAll(".code-head")].every((head) => head.querySelectorAll("button").length === 2);
  for (const [text, steps] of replies) {
    const grown = home(), now = [];
    for (const [at, changes] of steps.entries()) {
      for (const [index, html] of changes) {
        place(grown, index, html);
        if (html) now[index] = html; else now.length = Math.min(now.length, index);
      }
      const fresh = home();
      fill(fresh, now);
      if (shape(grown) !== shape(fresh) || !buttons(grown)) { wrong.push([text, at, shape(grown), shape(fresh)]); break; }
    }
  }
  return wrong;
}"""


def growth(random: Random) -> tuple[str, list[list[tuple[int, str]]]]:
    """(a reply, what changes with each of its pieces)."""
    text = "".join(random.choices((*PIECES, *MORE, *MORE), k=random.randrange(2, 40)))
    growing, steps, at = Growing(), [], 0
    while at < len(text):
        size = random.choice((1, 2, 3, 5, 9))
        steps.append(growing.grow(text[at : at + size]))
        at += size
    return text, steps


def test_a_grown_reply_is_the_whole_one_however_it_was_cut(page: Page) -> None:
    random = Random(7)
    assert page.evaluate(GROWN, [growth(random) for _ in range(150)]) == []


THOUGHT = """([thinking, thought, clicks]) => {
  const home = document.body.appendChild(chatapp.el("div"));
  for (const [index, html] of thinking) chatapp.blocks.place(home, index, html);
  const fold = home.querySelector("details"), before = fold.open;
  for (let click = 0; click < clicks; click++) fold.querySelector("summary").click();
  for (const [index, html] of thought) chatapp.blocks.place(home, index, html);
  home.remove();
  return [before, fold.open];
}"""


def test_a_thought_is_folded_when_the_answer_begins_unless_the_reader_opened_it(page: Page) -> None:
    growing = Growing()
    steps = growing.grow("<think>Let me see"), growing.grow(", 4.</think>Four.")
    assert page.evaluate(THOUGHT, [*steps, 0]) == [True, False]
    assert page.evaluate(THOUGHT, [*steps, 1]) == [True, False]
    assert page.evaluate(THOUGHT, [*steps, 2]) == [True, True]
