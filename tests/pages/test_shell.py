"""The shell around every page: navigation shows what exists, every page's files are there, a page of ours is served as it is."""

import re

import httpx2

from chatapp.pages import assets, shell
from chatapp.pages.site import PAGES
from tests.conftest import Scripted
from tests.serving import serve


def test_navigation_names_every_page_once_and_marks_the_one_shown() -> None:
    for page in PAGES:
        links = re.findall(r'<a href="./([^"]*)"( aria-current=page)?>', shell.navigation(PAGES, page.path))
        assert [path for path, _ in links] == [one.path for one in PAGES]
        assert [path for path, here in links if here] == [page.path]


def test_a_page_of_ours_is_served_with_the_shell_and_its_own_files(scripted: Scripted) -> None:
    with serve(scripted, more=[*shell.routes(PAGES), *assets.routes()]) as site:
        for page in (page for page in PAGES if page.body is not None):
            answer = httpx2.get(f"{site.url}/{page.path}")
            assert answer.status_code == 200 and answer.text == shell.document(page, PAGES)
            assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
            named = re.findall(r'(?:href|src)="(chatapp/[^"]+)"', answer.text)
            assert len(named) == 2 + len(page.styles) + len(page.scripts)
            got = [httpx2.get(f"{site.url}/{name}") for name in named]
            assert all(one.status_code == 200 and "immutable" in one.headers["cache-control"] for one in got)


def test_every_asset_is_served_under_a_name_with_its_hash_and_once_to_a_page() -> None:
    shell = {name: files for name, files in assets.parts().items() if name.startswith("shell.")}
    assert all(files == assets.BUNDLES[name.replace("shell", "chat")][: len(files)] for name, files in shell.items())
    there = {file.name for file in assets.ASSETS.glob("*.*") if file.suffix in assets.KINDS}
    assert {source for files in assets.parts().values() for source in files} == there
    for page in (page for page in PAGES if page.body is not None):
        sources = [source for name in ("shell.css", "shell.js", *page.styles, *page.scripts) for source in assets.parts()[name]]
        assert len(sources) == len(set(sources)), page.path
    assert all(len(files) == len(set(files)) for files in assets.parts().values())
    assert all(re.fullmatch(r"[\w-]+\.[0-9a-f]{12}\.(js|css)", hashed) for hashed, _ in assets.files().values())
