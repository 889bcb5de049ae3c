"""The page Train in Chromium: from a corpus to curves, the slider and a chat, really trained in six steps; two runs beside each other."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from transformers import AutoTokenizer

from chatapp.lab.train import history, recipe
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, first_held, launched, replies, send
from tests.browser.test_page_guards import faults
from tests.conftest import Scripted
from tests.lab.train.made import write_run, write_step
from tests.tiny import CORPUS

DONE, STOPPED, FAILED = (letter * 32 for letter in "abc")
RECIPE = """
preset: two-minutes
corpus: {corpus}
tokenizer: {{train: 300}}
model: {{n_embd: 32, n_layer: 2, n_head: 2}}
max_length: 32
max_steps: 6
"""


@pytest.fixture(scope="module")
def school(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app with three runs of the past."""
    data = tmp_path_factory.mktemp("school")
    home = data / history.FOLDER
    write_run(home / DONE, tiny_gpt2, name="The first")
    write_run(home / STOPPED, tiny_gpt2, name="The second", state="stopped", steps=8)
    shutil.copytree(write_run(data / "made", tiny_gpt2, name="The third", steps=0), home / FAILED)
    history.update(home / FAILED, state="failed", error="The disk is full: 3 MB are free, and a snapshot takes 5 MB.")
    settings = Settings(data_dir=data, threads=1)
    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama))
    with launched(engine, data, models=ModelManager.of(engine, settings)) as site:
        yield site


def opened(context: BrowserContext, site: Site, run: str = "") -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/train{run and f'#{run}'}")
    expect(page.locator("#train > *").first).to_be_visible()
    return page


def at(page: Page, place: int) -> None:
    """Move the slider to this snapshot."""
    page.get_by_label("Step of the run").fill(str(place))


@pytest.mark.slow
def test_from_a_corpus_to_curves_the_slider_and_a_chat(context: BrowserContext, school: Site, tmp_path: Path) -> None:
    (corpus := tmp_path / "words.txt").write_text("\n".join(CORPUS * 5), encoding="utf-8")
    page = context.new_page()
    page.goto(f"{school.url}/about")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Train").click()
    page.get_by_label("Corpus").select_option(label="my own file")
    page.get_by_label("A file to train on").set_input_files(corpus)
    expect(page.get_by_label("Its path on this machine")).to_have_value(str(kept(school, "words.txt")))
    page.get_by_text("recipe.yaml", exact=True).click()
    page.get_by_label("recipe.yaml").fill(RECIPE.format(corpus=kept(school, "words.txt")))
    page.get_by_label("Layers").click()
    expect(page.get_by_label("Layers")).to_have_value("2")
    page.get_by_role("button", name="Look and plan").click()
    expect(page.locator("#r-plan")).to_contain_text("6 steps", timeout=60_000)
    assert page.locator("#r-plan .r-tokens span").count() > 20
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".r-state")).to_contain_text("done · step 6 of 6", timeout=90_000)
    expect(page.locator(".r-plot")).to_have_count(4)
    expect(page.locator(".r-legend")).to_contain_text("knows which token follows which")
    expect(page.locator(".r-samples li")).to_have_count(3, timeout=60_000)
    last = page.locator(".r-samples li").all_inner_texts()
    at(page, 0)
    expect(page.locator(".r-told")).to_contain_text("Step 0 of 6")
    expect(page.locator(".r-samples")).to_have_attribute("aria-busy", "false", timeout=60_000)
    assert page.locator(".r-samples li").all_inner_texts() != last
    expect(page.locator("#r-body")).to_contain_text("step 0")
    expect(page.get_by_role("button", name="Chat with it")).to_be_visible()
    page.get_by_role("button", name="Chat with step 0").click()
    expect(page.locator("#message")).to_be_visible()
    expect(page.locator("#picker")).to_contain_text("-step-000000", timeout=60_000)
    send(page, "Hello")
    page.wait_for_function("!chatapp.doing && !chatapp.view.running && document.querySelector('#bot .bot-row .bot.message')")
    assert len(replies(page)) == 1


def kept(site: Site, name: str) -> Path:
    return site.chat.models.settings.data_dir.resolve() / history.FOLDER / "corpora" / name


def test_one_slider_drives_samples_curves_and_every_view(context: BrowserContext, school: Site) -> None:
    page = opened(context, school, DONE)
    expect(page.locator(".r-told")).to_have_text("Step 16 of 16 · 1.80 bits per byte · " + ORDER)
    expect(page.locator("#r-body .x-bars li")).to_have_count(10)
    for name, drawn in (("Attention", ".x-matrix"), ("Layers", ".x-lens"), ("Neighbours", ".x-cell.chosen")):
        page.get_by_role("tab", name=name).click()
        expect(page.locator(f"#r-body {drawn}")).to_have_count(1)
    at(page, 1)
    expect(page.locator(".r-told")).to_contain_text("Step 1 of 16 · 2.90 bits per byte · it learns letters")
    expect(page.locator(".r-samples li b")).to_have_text(list(recipe.PROMPTS))
    expect(page.locator("#r-body h3").first).to_have_text("step 1")
    page.get_by_label("A prompt").fill("hello world")
    page.get_by_label("A prompt").press("Enter")
    expect(page.locator("#r-body .x-cell")).to_have_text(["he", "llo", " world"])
    marks = page.locator(".r-plot .mark").first.get_attribute("d")
    page.locator(".r-drawn").first.click(position={"x": 500, "y": 60})
    expect(page.locator(".r-told")).to_contain_text("Step 16")
    assert page.locator(".r-plot .mark").first.get_attribute("d") != marks


ORDER = "it learns order: it uses more than the token before, which a table of pairs cannot"


def test_a_step_and_the_last_one_answer_the_same_prompts_in_compare(context: BrowserContext, school: Site) -> None:
    page = opened(context, school, DONE)
    expect(page.get_by_role("button", name="Beside the last one")).to_be_hidden()
    at(page, 0)
    page.get_by_role("button", name="Beside the last one").click()
    expect(page.locator(".c-head b")).to_have_text(["step 0", "final"])
    expect(page.locator(".c-state")).to_contain_text("6 replies", timeout=60_000)


def test_two_runs_stand_in_one_picture_and_runs_are_renamed_and_deleted(context: BrowserContext, school: Site) -> None:
    page = opened(context, school, DONE)
    page.get_by_label("Another run in the same picture").select_option(label="The second")
    expect(page.locator(".r-large polyline")).to_have_count(4)
    expect(page.locator(".r-legend")).to_contain_text("The second: validation")
    page.goto(f"{school.url}/train")
    page.get_by_role("button", name="What can be done with The second").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Name of the run").fill("A better name")
    page.get_by_label("Name of the run").press("Enter")
    expect(page.locator(".r-runs")).to_contain_text("A better name")
    page.get_by_role("button", name="What can be done with A better name").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator(".r-runs")).not_to_contain_text("A better name")


def test_a_failed_run_says_why_and_a_wrong_recipe_what_is_meant(context: BrowserContext, school: Site) -> None:
    page = opened(context, school, FAILED)
    expect(page.locator(".r-bar .refusal")).to_contain_text("The disk is full: 3 MB are free")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page = opened(context, school, "0" * 32)
    expect(page.locator(".refusal")).to_have_text("The run was not found.")
    page = opened(context, school)
    page.get_by_label("Learning rate").fill("fast")
    page.get_by_label("Learning rate").press("Tab")
    expect(page.locator("#r-error")).to_have_text("learning_rate is 'fast'; it must be a number.")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("run", ["", DONE])
def test_axe_finds_nothing_and_it_fits_a_phone(run: str, theme: str, context: BrowserContext, school: Site) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{school.url}/train?__theme={theme}{run and f'#{run}'}")
    expect(page.locator("#r-body .x-bars" if run else "#r-form")).to_be_visible()
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= document.querySelector('.sheet').clientWidth")
    assert faults(page) == []


def test_start_takes_what_was_typed_last_and_nothing_that_was_refused(context: BrowserContext, school: Site) -> None:
    page = opened(context, school)
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data_json["text"])
        route.fulfill(status=409, json={"error": {"message": "Not now.", "status": 409, "code": "conflict"}})

    page.route("**/ui/train-begin", answer)
    page.get_by_label("Layers").fill("many")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#r-error")).to_contain_text("n_layer is 'many'")
    page.get_by_label("Width").fill("64")
    page.get_by_label("Batch").fill("4")
    expect(page.locator("#r-error")).to_contain_text("n_layer is 'many'")
    expect(page.get_by_label("Layers")).to_have_value("many")
    assert asked == []
    page.get_by_label("Layers").fill("2")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#r-error")).to_have_text("Not now.")
    (text,) = asked
    assert all(line in text for line in ("n_layer: 2", "n_embd: 64", "per_device_train_batch_size: 4"))


def test_what_is_typed_while_the_server_answers_is_kept(context: BrowserContext, school: Site) -> None:
    page = opened(context, school)
    held: list[Route] = []
    page.route("**/ui/train-recipe", lambda route: held.append(route))
    page.get_by_label("Layers").fill("3")
    page.get_by_label("Heads").fill("2")
    first_held(page, held).continue_()
    expect(page.locator(".r-yaml")).to_have_value(re.compile("n_layer: 3"))
    expect(page.get_by_label("Heads")).to_have_value("2")
    page.unroute("**/ui/train-recipe")
    page.get_by_label("Width").focus()
    expect(page.locator(".r-yaml")).to_have_value(re.compile("n_layer: 3\n  n_head: 2"))


def test_a_wrong_file_is_said_at_once_and_a_column_can_be_named(context: BrowserContext, school: Site, tmp_path: Path) -> None:
    (tmp_path / "bytes.txt").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "rated.csv").write_text("words,stars\n" + "a good one,5\n" * 300)
    page = opened(context, school)
    page.get_by_label("Corpus").select_option(label="my own file")
    page.get_by_label("A file to train on").set_input_files(tmp_path / "bytes.txt")
    expect(page.locator(".r-read")).to_contain_text("bytes.txt is no text")
    page.get_by_label("A file to train on").set_input_files(tmp_path / "rated.csv")
    expect(page.locator(".r-read")).to_contain_text("columns are words, stars")
    page.get_by_label("Column with the text").fill("words")
    page.get_by_label("Layers").focus()
    expect(page.locator(".r-read")).to_have_text("300 documents, 3,000 bytes of text.")


def test_the_list_follows_a_run_that_another_tab_began(context: BrowserContext, school: Site, tiny_gpt2: Path) -> None:
    page = opened(context, school)
    expect(page.locator(".r-runs")).to_contain_text("The first")
    place = school.chat.models.settings.data_dir / history.FOLDER / ("d" * 32)
    write_run(place, tiny_gpt2, name="From elsewhere")
    expect(page.locator(".r-runs")).to_contain_text("From elsewhere")
    shutil.rmtree(place)
    expect(page.locator(".r-runs")).not_to_contain_text("From elsewhere")


def test_a_button_stays_the_same_while_a_run_is_watched(context: BrowserContext, school: Site, tiny_gpt2: Path) -> None:
    place = school.chat.models.settings.data_dir / history.FOLDER / ("e" * 32)
    write_run(place, tiny_gpt2, name="Running", state="running", steps=8)
    lock = history.hold(place)  # as a process that trains there
    page = opened(context, school, "e" * 32)
    stop = page.get_by_role("button", name="Stop").element_handle()
    page.get_by_text("This run as code").click()
    history.tell(place, "Encoding the train text", 0.5)
    write_step(place, tiny_gpt2, 16, 1.8)
    expect(page.locator(".r-bar")).to_contain_text("Encoding the train text")
    expect(page.locator(".r-told")).to_contain_text("Step 16")
    assert stop.evaluate("node => node.isConnected")
    expect(page.get_by_text("GPT2LMHeadModel(config)")).to_be_visible()
    history.update(place, state="done")
    history.release(lock)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    shutil.rmtree(place)
