"""/chat as gradio_client calls it: a value for each parameter, in their order."""

from typing import Any

from chatapp.pages.api_endpoint import SIGNATURE


def call_data(message: str, **given: Any) -> list[Any]:
    """What is posted as "data": defaults where nothing is given."""
    values = {name: parameter.default for name, parameter in SIGNATURE.parameters.items() if name != "request"}
    if unknown := given.keys() - values.keys():
        raise TypeError(f"/chat has no {unknown}")
    return list((values | {"message": message} | given).values())
