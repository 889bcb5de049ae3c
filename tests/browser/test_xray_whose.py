"""A reply whose record does not say by which weights it was made: X-ray says so, looks only where a person insists, and labels it."""

from collections.abc import Callable

import sqlalchemy as sa
from playwright.sync_api import Page, expect

from chatapp.store.schema import turns
from tests.browser.conftest import Site
from tests.browser.test_xray import SHOWN, llama_site, show, talk

__all__ = ["llama_site", "talk"]


def test_unknown_weights_are_said_and_a_person_may_look_anyway(talk: Callable[..., Page], llama_site: Site) -> None:
    page = talk()
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    expect(page.locator(SHOWN["prompt"]).first).to_be_visible()
    turn = page.evaluate("chatapp.xray.turn")
    with llama_site.store.database.write() as connection:
        connection.execute(sa.update(turns).where(turns.c.id == turn).values(revision=""))
    page.reload()
    why = page.locator("#xray-body .x-why")
    expect(why).to_contain_text("does not say by which weights")
    expect(page.locator("#xray-body pre")).to_contain_text("Where is Paris?")  # the recorded text is there all the same
    page.locator("#xray-tab-card").click()
    expect(page.get_by_role("button", name="Replay anyway")).to_be_visible()
    page.locator("#xray-tab-probabilities").click()
    why.get_by_role("button", name="Look anyway").click()
    expect(page.locator(SHOWN["probabilities"]).first).to_be_visible()
    label = page.locator("#xray-unsure")
    expect(label).to_contain_text("It is not known whether")
    show(page, "layers")
    expect(label).to_be_visible()
    show(page, "card")
    expect(label).to_be_hidden()
    page.get_by_role("button", name="Replay anyway").click()
    expect(page.locator("#x-replay")).to_contain_text("tokens are the same")
    expect(label).to_be_visible()
