"""A Space as a visitor meets it: signing in on the page Models, what the Hub is asked as whom, signing out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from chatapp.identity import COOKIE
from tests.conftest import Scripted
from tests.fakehub import FakeHub
from tests.fakeoauth import FakeOAuth
from tests.hubs import the_apps_own
from tests.serving import Site, serve


@dataclass
class Space:
    site: Site
    hub: FakeHub

    def visitor(self, name: str) -> httpx2.Client:
        """A browser with a cookie; the real one is kept for https only."""
        return httpx2.Client(base_url=self.site.url, headers={"cookie": f"{COOKIE}={name.ljust(22, 'x')}"}, follow_redirects=False)


@pytest.fixture
def space(scripted: Scripted, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Space]:
    monkeypatch.setenv("HF_TOKEN", "hf_of_owner")
    with FakeOAuth() as oauth, the_apps_own(tmp_path / "cache") as hub:
        for name, value in oauth.variables.items():
            monkeypatch.setenv(name, value)
        hub.users |= {oauth.token: "ann", "hf_of_owner": "owner"}
        hub.add("org/gated", tiny_llama, gated="auto", readers=frozenset({oauth.token, "hf_of_owner"}))
        with serve(scripted, host="127.0.0.1", data_dir=tmp_path) as site:
            yield Space(site, hub)


def signed_in(browser: httpx2.Client) -> httpx2.Response:
    """The way of a browser: to Hugging Face, and back to this app under the name that the Hub knows."""
    asked = browser.get("/login/huggingface").headers["location"]
    back = urlsplit(httpx2.get(asked, follow_redirects=False).headers["location"])
    assert back.netloc == "me-chat.hf.space"
    return browser.get(f"{back.path}?{back.query}", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})


def test_a_visitor_signs_in_asks_the_hub_as_themselves_and_signs_out(space: Space) -> None:
    ann, bob = space.visitor("ann"), space.visitor("bob")
    before = ann.post("/ui/models-account", json={}).json()
    assert (before["name"], before["signed"], before["sign_in"]) == ("", False, "./login/huggingface")
    closed = ann.post("/ui/models-card", json={"name": "org/gated"}).json()["closed"]
    assert "by signing in on the page Models" in closed and "HF_TOKEN" not in closed
    done = signed_in(ann)
    assert (done.status_code, done.headers["location"], done.headers["cache-control"]) == (303, "../models", "no-store")
    assert "hf_oauth" not in str(done.headers)
    after = ann.post("/ui/models-account", json={}).json()
    assert (after["name"], after["signed"], after["sign_in"]) == ("ann", True, "") and "hf_oauth" not in str(after)
    assert ann.post("/ui/models-card", json={"name": "org/gated"}).json()["closed"] == ""
    assert bob.post("/ui/models-account", json={}).json()["name"] == ""
    assert bob.post("/ui/models-card", json={"name": "org/gated"}).json()["closed"]
    assert ann.post("/ui/models-signout", json={}).json()["name"] == ""
    assert ann.post("/ui/models-card", json={"name": "org/gated"}).json()["closed"]
    assert "hf_of_owner" not in {token for _, token in space.hub.tokens}, "the owner's token is nobody else's"


def test_a_visitor_who_signed_in_still_fetches_loads_and_deletes_nothing(space: Space) -> None:
    ann = space.visitor("ann")
    signed_in(ann)
    for action, asked in (
        ("models-download", {"name": "org/gated"}),
        ("models-load", {"name": "org/gated"}),
        ("models-delete", {"name": "org/gated"}),
        ("models-token", {"token": "hf_something"}),
    ):
        assert ann.post(f"/ui/{action}", json=asked).status_code == 403


def test_one_without_a_cookie_gets_it_with_the_page_first(space: Space) -> None:
    answer = httpx2.get(f"{space.site.url}/login/huggingface", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "../models")


def test_what_goes_wrong_is_a_sentence_with_the_way_back(space: Space) -> None:
    answer = space.visitor("ann").get("/login/callback?state=x&error=<script>")
    assert answer.status_code == 403 and "was not begun in this browser" in answer.text and "<script>" not in answer.text
    assert 'href="../models"' in answer.text


def test_away_from_a_space_there_is_nothing_to_sign_in(scripted: Scripted, tmp_path: Path) -> None:
    with serve(scripted, data_dir=tmp_path) as site:
        assert httpx2.post(f"{site.url}/ui/models-account", json={}).json()["sign_in"] == ""
        assert httpx2.get(f"{site.url}/login/callback?state=x", follow_redirects=False).status_code == 404
