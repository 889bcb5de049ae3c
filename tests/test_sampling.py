"""The sampling settings: validation says the limits, and each setting stands in one place."""

from dataclasses import replace

import pytest

from chatapp.engines import sampling as engine_sampling
from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError
from chatapp.pages import api_endpoint, assets
from chatapp.sampling import SAMPLING_PARAMS, STEP_PARAMS, Sampling
from chatapp.server.openai import request
from chatapp.xray import explain


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


@pytest.mark.parametrize("param", [param for param in SAMPLING_PARAMS if not param.basic], ids=lambda p: p.name)
def test_a_setting_that_came_later_does_nothing_by_default_as_old_records_were_made_without_it(param) -> None:
    assert param.default == param.off


@pytest.mark.parametrize("param", STEP_PARAMS, ids=lambda p: p.name)
def test_xray_has_a_sentence_for_each_setting_that_shapes_a_draw(param) -> None:
    value = param.minimum if param.off != param.minimum else param.maximum
    before, step = {"kept": 5, "setting": ""}, {"kept": 3, "setting": param.name}
    said = explain.sentence(step, before, Sampling(**{param.name: type(param.default)(value)}))
    assert f"{value:g}" in said and ("2 were cut" in said) == (param.kind == "filter")
    assert said[0].isupper() and said.endswith(".") and not said.endswith("..")


def test_the_apis_take_every_setting() -> None:
    names = {param.name for param in SAMPLING_PARAMS} | {"seed"}
    assert names <= request.READ and names <= set(api_endpoint.SIGNATURE.parameters)


def test_the_scripts_get_every_setting_with_its_limits() -> None:
    sent = {param["name"]: (param["minimum"], param["maximum"], param["default"]) for param in assets.sampling()}
    assert sent == {param.name: (param.minimum, param.maximum, param.default) for param in SAMPLING_PARAMS}


def test_an_engine_has_only_the_settings_that_it_names() -> None:
    capabilities = Capabilities(100, ("temperature", "min_p"), off={"top_k": "It is slow.", "seed": "One stream for all."})
    assert capabilities.has("temperature") and capabilities.has("max_tokens") and not capabilities.has("top_p")
    assert capabilities.off["top_k"] == "It is slow." and "seed" in capabilities.off


def test_direct_applies_its_steps_in_the_order_that_it_declares() -> None:
    every = Sampling(**{param.name: type(param.default)(param.minimum + 0.3 * (param.maximum - param.minimum)) for param in STEP_PARAMS})
    assert [param.name for param, _ in engine_sampling.steps(every)] == list(engine_sampling.STEPS)
    assert [param.name for param, _ in engine_sampling.steps(replace(every, temperature=0.0))] == ["repetition_penalty"]
    assert engine_sampling.steps(Sampling(temperature=1.0, top_k=0, top_p=1.0)) == []


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
