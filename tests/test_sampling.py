"""The sampling settings: validation says the limits, and each setting stands in one place."""

import pytest

from chatapp.errors import ChatError
from chatapp.sampling import SAMPLING_PARAMS, Sampling


@pytest.mark.parametrize("knob", SAMPLING_PARAMS, ids=lambda k: k.name)
def test_a_knob_accepts_its_limits_and_refuses_beyond_with_both_limits_named(knob) -> None:
    kind = type(knob.default)
    for value in (knob.minimum, knob.maximum):
        Sampling(**{knob.name: kind(value)})
    for value in (knob.minimum - 1, knob.maximum + 1):
        with pytest.raises(ChatError) as error:
            Sampling(**{knob.name: kind(value)})
        assert f"{knob.minimum:g}" in str(error.value) and f"{knob.maximum:g}" in str(error.value)


@pytest.mark.parametrize("knob", SAMPLING_PARAMS, ids=lambda k: k.name)
def test_a_default_in_the_registry_is_the_default_of_sampling(knob) -> None:
    assert getattr(Sampling(), knob.name) == knob.default


@pytest.mark.parametrize("bad", ["1", True, None.__class__, float("nan")])
def test_a_value_of_another_type_is_refused(bad) -> None:
    with pytest.raises(ChatError):
        Sampling(temperature=bad)


def test_an_unknown_setting_names_the_closest_known_one() -> None:
    with pytest.raises(ChatError, match="temperature"):
        Sampling.of({"temprature": 1})


def test_none_means_the_default() -> None:
    assert Sampling.of({"temperature": None, "top_k": 3}) == Sampling(top_k=3)


@pytest.mark.parametrize("stop", ["abc", ("",), tuple("abcdefghijklmnopq"), 10**30, True, {"abc": 1}], ids=str)
def test_stop_strings_must_be_a_short_list_of_texts(stop) -> None:
    with pytest.raises(ChatError):
        Sampling(stop=stop)


def test_a_setting_is_written_the_same_however_it_was_given() -> None:
    assert repr(Sampling(min_p=0, repetition_penalty=1, temperature=1)) == repr(
        Sampling(min_p=0.0, repetition_penalty=1.0, temperature=1.0)
    )
