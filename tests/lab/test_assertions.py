"""What replies are checked for."""

import time

import pytest

from chatapp.lab.assertions import Assertion, checked, read


@pytest.mark.parametrize(
    ("check", "passes", "fails"),
    [
        ({"contains": "Paris"}, "It is Paris.", "It is paris."),
        ({"contains": 42}, "6 × 7 = 42", "6 × 7 = 24"),
        ({"equals": "Yes."}, " Yes.\n", "Yes"),
        ({"regex": r"^\d+$"}, "42", "42!"),
        ({"regex": r"(?i)paris"}, "PARIS", "Lyon"),
        ("json", ' {"a": [1, 2]}\n', '{"a": NaN}'),
        ({"json": True}, "[]", "```json\n[]\n```"),
        ({"length": {"min": 2}}, " ab ", " a "),
        ({"length": {"max": 2}}, "ab", "abc"),
    ],
)
def test_an_assertion_passes_and_fails(check, passes: str, fails: str) -> None:
    [assertion] = read([check], "The grid")
    assert assertion.failure(passes) == ""
    assert assertion.failure(fails).endswith(".")
    assert read([assertion.plain()], "The grid") == (assertion,)


def test_a_pattern_without_end_fails_with_its_reason() -> None:
    began = time.monotonic()
    why = Assertion("regex", "(a|a|aa)*$").failure("a" * 60 + "b")
    assert "longer than 1 s" in why and time.monotonic() - began < 20


def test_the_results_say_what_was_asked_and_why_it_failed() -> None:
    assert checked((Assertion("contains", "x"), Assertion("json")), "x") == [
        {"assert": {"contains": "x"}, "passed": True, "why": ""},
        {"assert": {"json": True}, "passed": False, "why": "The reply is no JSON: Expecting value."},
    ]
