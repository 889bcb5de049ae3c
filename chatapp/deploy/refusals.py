"""What the Hub's refusals mean for a Space: each is one sentence with its cure."""

import json
from collections.abc import Callable
from typing import TypeVar

from chatapp.errors import ChatError
from chatapp.models.failures import first_line
from chatapp.models.hub_access import ANSWER, Hub, Unreachable, reach, within

T = TypeVar("T")

UPLOAD = 600.0
"""Seconds in which a commit is taken."""

AGAIN = "Run the same command again: what arrived is not sent twice."


class Denied(ChatError):
    """The token is not one that may do it."""

    def __init__(self, why: str, status: int) -> None:
        cure = "Make one with write permission at https://huggingface.co/settings/tokens, then set HF_TOKEN to it or run hf auth login."
        super().__init__(f"{why} {cure}", status=status)


def asking(hub: Hub, name: str, question: Callable[[], T], hardware: str = "", seconds: float = ANSWER) -> T:
    """One question to the Hub about the Space `name`, or an order. Raises ChatError for whatever goes wrong."""
    import httpx2

    try:
        reach(hub)
        return within(seconds, question, f"{hub.address} did not answer in {seconds:.0f} seconds.")
    except Unreachable as error:
        raise ChatError(f"{error} {AGAIN}", status=503) from error
    except (OSError, httpx2.HTTPError, ValueError, RuntimeError) as error:
        raise explain(error, name, hardware) from error


def explain(error: BaseException, name: str, hardware: str) -> ChatError:
    """One sentence for what huggingface_hub raised."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    match error:
        case HfHubHTTPError():
            return _by_status(error.response.status_code, getattr(error, "server_message", None) or first_line(error), name, hardware)
        case httpx2.HTTPError():
            return ChatError(f"The connection to the Hub broke off: {first_line(error)} {AGAIN}", status=503)
        case json.JSONDecodeError():
            return ChatError(f"What answers for the Hub is not the Hub: its answer is no JSON. Look at HF_ENDPOINT. {AGAIN}", status=503)
    return ChatError(f"{name or 'The account'}: the Hub's library refuses: {' '.join(str(error).split())}", status=400)


def _by_status(status: int, words: str, name: str, hardware: str) -> ChatError:
    owner = name.partition("/")[0]
    match status:
        case 401:
            return Denied("The Hub does not know this token: it is mistyped, or was withdrawn.", status)
        case 402:
            return ChatError(f"The Hub wants to be paid for {name} on {hardware or 'this hardware'}. {payment(hardware)}", status=status)
        case 403 | 404 if name:
            return Denied(f"This token may not write to {name}: {owner} has to be its account, or an organisation that lets it.", status)
        case 409:
            return ChatError(f"The Hub says that the name {name} is taken, or is being changed ({words}). Choose another.", status=status)
        case 429:
            return ChatError("The Hub says that this account asked too often. Wait a few minutes and try again.", status=503)
        case _ if status >= 500:
            return ChatError(f"The Hub has a fault of its own at the moment (status {status}). Try again in a few minutes.", status=503)
    return ChatError(
        f"The Hub refuses {name or 'to say whose token this is; look at HF_ENDPOINT'}: {words} (status {status})", status=status
    )


def payment(hardware: str) -> str:
    """What can be done where the Hub asks for a subscription."""
    if hardware == "cpu-basic":
        return (
            "A Gradio Space on it is for PRO accounts, and for organisations with a Team or Enterprise plan. Without one, "
            "--hardware zero-a10g may be had, or hardware that is paid by the hour."
        )
    return "Hardware by the hour needs a payment method: https://huggingface.co/settings/billing."
