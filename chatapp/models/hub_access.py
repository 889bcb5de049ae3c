"""Reaching the Hub: which one, as whom, within how much time, and what each of its refusals means. By huggingface_hub only."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chatapp.errors import ChatError
from chatapp.models.failures import first_line
from chatapp.settings import on_space

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

REACH = 1.5
"""Seconds in which a Hub that can be reached answers at all. Its client would try for 23."""

ANSWER = 15.0
"""Seconds in which it answers a question."""

REACHED = 60.0
"""Seconds for which it counts as reached."""


def where_tokens() -> str:
    """How a token is given."""
    return "by signing in on the page Models" if on_space() else "on the page Models, or by HF_TOKEN in the environment"


_reached: dict[str, float] = {}


@dataclass(frozen=True)
class Hub:
    """Which Hub, and as whom it is asked.

    endpoint  its address, where it is not that of HF_ENDPOINT
    cache     where its files are kept, where it is not the usual place
    token     of whoever asks; None is this machine's own (environment, cached login), False is nobody's
    """

    endpoint: str | None = None
    cache: Path | None = None
    token: str | bool | None = None

    @property
    def address(self) -> str:
        from huggingface_hub import constants

        return (self.endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def place(self) -> Path:
        """The folder of its cache."""
        from huggingface_hub import constants

        return self.cache or Path(constants.HF_HUB_CACHE)

    def api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.address, token=self.token)

    def __repr__(self) -> str:
        """Without the token: this may stand in a log."""
        return f"Hub({self.address})"


OURS = Hub()
"""The Hub of this app, asked as this machine's own account."""


class Unreachable(ChatError):
    """No network, no Hub, or told to be offline."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The Hub cannot be reached: {why} What is on this machine works without it.", status=503)


def reach(hub: Hub) -> None:
    """Raises Unreachable within REACH seconds where the Hub cannot be reached, also where the network swallows all that is sent."""
    import httpx2
    from huggingface_hub import constants, get_session

    if constants.is_offline_mode():
        raise Unreachable("the app was told to stay offline (HF_HUB_OFFLINE).")
    if time.monotonic() - _reached.get(hub.address, -REACHED) < REACHED:
        return
    try:
        within(REACH, lambda: get_session().head(hub.address, timeout=REACH), f"{hub.address} does not answer.")
    except httpx2.HTTPError as error:
        raise Unreachable(f"{hub.address}: {first_line(error)}") from error
    _reached[hub.address] = time.monotonic()


def within(seconds: float, work: Callable[[], T], late: str = "it did not answer in time.") -> T:
    """What `work` gives; raises what it raises, and Unreachable after so many seconds. It goes on by itself then, and nobody listens."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001  crosses to who waits as a value and is raised there
            answer.set_exception(error)

    threading.Thread(target=run, name="asks the Hub", daemon=True).start()
    wait([answer], seconds)
    if not answer.done():
        raise Unreachable(late)
    return answer.result()


def ask(hub: Hub, repo: str, question: Callable[[], T], revision: str = "") -> T:
    """One question to the Hub about `repo` ('' for none), in ANSWER seconds. Raises ChatError for whatever goes wrong."""
    reach(hub)
    with refusals(repo, revision):
        return within(ANSWER, question, f"{hub.address} did not answer in {ANSWER:.0f} seconds.")


@contextmanager
def refusals(repo: str, revision: str) -> Iterator[None]:
    """What huggingface_hub raises inside becomes a sentence."""
    import httpx2
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except (OSError, httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        raise explain(error, repo, revision) from error


def explain(error: BaseException, repo: str, revision: str = "") -> ChatError:
    """One sentence with the cure for a failure of huggingface_hub, also where transformers wrapped it."""
    import httpx2
    from huggingface_hub import errors

    cause = error.__cause__ if isinstance(error.__cause__, OSError) and not isinstance(error, errors.HfHubHTTPError) else error
    revision = revision or "main"
    match cause:
        case errors.GatedRepoError():
            return Gated(repo)
        case errors.RepositoryNotFoundError():
            return ChatError(
                f"{repo} is not on the Hub, or is private. Check the spelling; for a private one give a token of an account that may read "
                f"it, {where_tokens()}.",
                status=404,
            )
        case errors.RevisionNotFoundError():
            return ChatError(f"{repo} has no revision {revision}. Give a branch, tag or commit that its page lists.", status=404)
        case errors.EntryNotFoundError() if not isinstance(cause, errors.LocalEntryNotFoundError):
            return ChatError(f"{repo} at {revision} lacks a file that is needed: {first_line(cause)}", status=404)
        case errors.HFValidationError():
            return ChatError(f"{repo!r} is not a valid Hub id. It looks like org/name.")
        case errors.HfHubHTTPError():
            return _by_status(cause, repo)
        case httpx2.ReadTimeout() | httpx2.RemoteProtocolError() | httpx2.ReadError():
            return BrokenOff(f"{repo or 'The answer'} did not come whole: {first_line(cause)} Files that are whole are kept; try again.")
        case errors.LocalEntryNotFoundError() | errors.OfflineModeIsEnabled() | httpx2.ConnectError() | httpx2.TimeoutException():
            return ChatError(
                f"{repo} is not on this machine, and the Hub cannot be reached (or HF_HUB_OFFLINE is set). "
                "Connect, or use the embedded model: --model smollm2.",
                status=503,
            )
        case OSError() if "Consistency check failed" in str(cause):
            return BrokenOff(f"{repo} did not come whole: a file has not the size that the Hub says. Whole files are kept; try again.")
        case OSError(errno=28):
            return ChatError(f"The disk is full: {repo} could not be stored. Free some space, or set HF_HOME to a larger disk.", status=507)
    return ChatError(f"{repo or 'The answer'} could not be fetched from the Hub: {first_line(cause)} Try again.", status=503)


class BrokenOff(ChatError):
    """A transfer ended before its end."""

    def __init__(self, words: str) -> None:
        super().__init__(words, status=503)


class Gated(ChatError):
    """The owner asks for something before files are given."""

    def __init__(self, repo: str) -> None:
        super().__init__(
            f"{repo} is gated: its owner asks you to accept terms first. Accept them at https://huggingface.co/{repo}, then give a token "
            f"of that account, {where_tokens()}, and try again.",
            status=403,
        )


def _by_status(error: BaseException, repo: str) -> ChatError:
    status = error.response.status_code
    if status == 401:
        return ChatError("The Hub does not know this token: it is mistyped, or was withdrawn. Type it anew, or take it away.", status=401)
    if status == 429:
        return ChatError("The Hub says that this address asked too often. Wait a few minutes; with a token it allows more.", status=503)
    if status >= 500:
        return ChatError(f"The Hub has a fault of its own at the moment (status {status}). Try again in a few minutes.", status=503)
    return ChatError(f"The Hub refuses {repo or 'the question'}: {first_line(error)} (status {status})", status=503)
