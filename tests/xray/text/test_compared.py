"""The sentences of the table by layer are computed: what they say changes with the numbers."""

from chatapp.xray.text.compared import words


def layer(itself: float, previous: float, first: float, entropy: float) -> dict[str, float]:
    return {"itself": itself, "previous": previous, "first": first, "entropy": entropy}


def model(name: str, parameters: int, layers: list[dict[str, float]], tokens: int = 20, encoder: bool = False) -> dict:
    return {"name": name, "parameters": parameters, "length": tokens, "encoder": encoder, "layers": layers}


SMALL = model("small", 100, [layer(0.5, 0.2, 0.1, 3.0), layer(0.3, 0.2, 0.3, 2.0)])
LARGE = model("large", 210, [layer(0.4, 0.2, 0.2, 3.0), layer(0.2, 0.2, 0.6, 1.0), layer(0.3, 0.2, 0.4, 1.25)])


def test_of_one_model_where_it_rests_and_where_it_is_sharpest() -> None:
    assert words([SMALL]) == [
        "small rests most on the token itself: 40 % of its attention on average over 2 layers, 50 % in layer 0. "
        "Sharpest is layer 1 (2.0 bits), most spread out layer 0 (3.0 bits)."
    ]


def test_of_two_what_changes_most_from_the_smaller_to_the_larger_whichever_was_named_first() -> None:
    expected = (
        "From small to large (2.1 times as many parameters, 2 → 3 layers), what changes most is attention on the first token: 20 % → 40 %. "
        "Also the token itself 40 % → 30 %, the previous token 20 % → 20 % (alike), entropy 2.5 → 1.8 bits."
    )
    assert words([SMALL, LARGE])[2:] == words([LARGE, SMALL])[2:] == [expected]


def test_where_nothing_changes_that_is_said_and_what_hinders_the_comparison() -> None:
    twin = SMALL | {"name": "twin", "length": 25, "encoder": True}
    _, _, same, tokens, encoder = words([SMALL, twin])
    assert (
        same == "From small to twin (as many parameters, 2 → 2 layers), no share changes by as much as 2 %; entropy 2.5 → 2.5 bits (alike)."
    )
    assert tokens.startswith("The text is 20 tokens for small and 25 for twin") and encoder.startswith("twin is an encoder")
