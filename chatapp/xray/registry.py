"""The list of X-ray's views: each is one file in views/ that ends with its VIEW. Whatever lists views, tabs or questions reads it here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from chatapp.errors import ChatError
from chatapp.xray import views as room
from chatapp.xray.query import XrayQuery
from chatapp.xray.steps import Answers

GROUPS = ("the reply", "inside the model", "any text", "again")
"""Tabs stand in this order."""


@dataclass(frozen=True)
class View:
    """One tab of X-ray.

    name, label, group  of the tab; `place` is its place in the group
    about       what it shows and how to read it: one or two sentences above it
    questions   what the page may ask, by name; one bears the view's own and is asked when its tab is opened
    computes    modules of chatapp.xray that need PyTorch: imported on X-ray's thread, because a first import takes seconds
    keeps_record  it shows only what was recorded, so that it does not matter by which weights it is looked at
    without_ids  it has something to show of a reply without ids, which another server wrote
    """

    name: str
    label: str
    group: str
    place: int
    about: str
    questions: Mapping[str, Callable[[XrayQuery], Answers]]
    computes: tuple[str, ...] = ()
    keeps_record: bool = False
    without_ids: bool = False


@cache
def views() -> tuple[View, ...]:
    """In the order of the tabs."""
    found = [import_module(f"{room.__name__}.{module.name}").VIEW for module in iter_modules(room.__path__)]
    return tuple(sorted(found, key=lambda view: (GROUPS.index(view.group), view.place)))


def question(name: str) -> tuple[View, Callable[[XrayQuery], Answers]]:
    """The view that answers it, and how. Raises ChatError for an unknown one."""
    for view in views():
        if name in view.questions:
            return view, view.questions[name]
    raise ChatError(f"There is no X-ray view named {name!r}. Reload the page.", status=404)


def tabs() -> list[dict[str, str]]:
    """For the page's script."""
    return [{"name": view.name, "label": view.label, "group": view.group, "about": view.about} for view in views()]
