"""Login pages stand where a page was asked for; logging out ends this browser's session, and only a person does it."""

import logging

import httpx2
import pytest

from chatapp.pages import login_page
from chatapp.pages.routes import middleware
from chatapp.pages.site import PAGES
from chatapp.server import session
from chatapp.settings import Settings
from tests.conftest import Scripted
from tests.serving import Site, serve


@pytest.fixture
def site(scripted: Scripted):
    with serve(scripted, auth=("ann:secret",), around=middleware) as site:
        yield site


def logged_in(site: Site) -> httpx2.Client:
    client = httpx2.Client(base_url=site.url)
    assert client.post("/login", data={"username": "ann", "password": "secret"}).status_code == 200
    return client


@pytest.mark.parametrize("path", ["", "?c=abc", "xray?turn=1", *[page.path for page in PAGES]])
def test_a_stranger_gets_the_login_page_at_the_address_and_nothing_else(site: Site, path: str) -> None:
    answer = httpx2.get(f"{site.url}/{path}")
    assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, login_page.document(), "private, no-store")
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert httpx2.get(f"{site.url}/config").status_code == 401
    assert httpx2.get(f"{site.url}/healthz").status_code == 200


def test_the_chat_opens_with_a_login_and_not_after_the_log_out(site: Site) -> None:
    client = logged_in(site)
    assert client.get("/").text != login_page.document()
    old = dict(client.cookies)
    answer = client.get("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert client.get("/").text == login_page.document()
    kept = "; ".join(f"{name}={value}" for name, value in old.items())
    assert httpx2.get(f"{site.url}/", headers={"cookie": kept}).text == login_page.document()
    assert httpx2.get(f"{site.url}/config", headers={"cookie": kept}).status_code == 401


def test_logging_out_here_leaves_the_other_browser_logged_in(site: Site) -> None:
    here, there = logged_in(site), logged_in(site)
    here.get("/logout")
    assert there.get("/").text != login_page.document()


def test_a_link_of_another_site_logs_nobody_out(site: Site) -> None:
    client = logged_in(site)
    client.get("/logout", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert client.get("/").text != login_page.document()


def test_without_auth_there_is_no_login_page() -> None:
    assert session.LoginPage not in [one.cls for one in middleware(Settings())]


def test_no_log_names_a_password(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logged_in(site)
        httpx2.post(f"{site.url}/login", data={"username": "ann", "password": "sesame"})
    said = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))
    assert "secret" not in said and "sesame" not in said
