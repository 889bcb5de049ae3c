"""Tasks: told, cancelled, begun again, forgotten; each owner's are its own, everybody's change at the app's machine only."""

import threading

import pytest

from chatapp.errors import ChatError, NotFound
from chatapp.tasks import EVERYBODY, REMEMBERED, UNEXPECTED, Cancelled, Step, Task, Tasks, ending


def test_a_task_tells_its_steps_until_it_ends() -> None:
    task = Tasks().begin("ann", "convert", "Convert x.gguf")
    assert (task.state, task.step) == ("running", Step("Waiting to begin"))
    task.tell("Reading", 0.5)
    assert task.step == Step("Reading", 0.5)
    task.end("done", result="models/x")
    task.end("failed", error="too late")
    assert (task.state, task.error, task.result) == ("done", "", "models/x")


def test_a_cancelled_task_ends_at_its_next_step() -> None:
    tasks = Tasks()
    task = tasks.begin("ann", "download", "Download x")
    tasks.cancel("ann", task.id, local=False)
    with pytest.raises(Cancelled):
        task.tell("Downloading", 0.1)
    task.end("cancelled")
    with pytest.raises(ChatError, match="has ended already"):
        tasks.cancel("ann", task.id, local=False)


@pytest.mark.parametrize("act", [Tasks.cancel, Tasks.retry, Tasks.dismiss])
def test_anothers_task_reads_as_none(act) -> None:
    tasks = Tasks()
    task = tasks.begin("ann", "load", "Load x")
    assert tasks.of("bob") == []
    with pytest.raises(NotFound):
        act(tasks, "bob", task.id, local=True)
    assert task.state == "running" and not task.cancelling


def test_everybody_sees_what_is_everybodys_and_only_who_sits_at_the_machine_changes_it() -> None:
    tasks = Tasks()
    task = tasks.begin(EVERYBODY, "load", "Load x")
    assert tasks.of("ann") == tasks.of("bob") == [task]
    with pytest.raises(ChatError, match="only the person at the app's machine") as caught:
        tasks.cancel("ann", task.id, local=False)
    assert caught.value.status == 403 and not task.cancelling
    tasks.cancel("ann", task.id, local=True)
    assert task.cancelling


def test_what_failed_is_begun_again_in_its_place() -> None:
    tasks = Tasks()
    begun: list[Task] = []

    def again() -> None:
        begun.append(tasks.begin("ann", "load", "Load x", again=again))

    again()
    with pytest.raises(ChatError, match="cannot be begun again"):
        tasks.retry("ann", begun[0].id, local=False)
    begun[0].end("failed", error="No connection.")
    tasks.retry("ann", begun[0].id, local=False)
    assert tasks.of("ann") == [begun[1]]


def test_only_an_ended_task_is_dismissed() -> None:
    tasks = Tasks()
    task = tasks.begin("ann", "load", "Load x")
    with pytest.raises(ChatError, match="Cancel it first"):
        tasks.dismiss("ann", task.id, local=False)
    task.end("done")
    tasks.dismiss("ann", task.id, local=False)
    assert tasks.of("ann") == []


def test_ended_tasks_are_forgotten_beyond_a_number_and_running_ones_never() -> None:
    tasks = Tasks()
    running = tasks.begin("ann", "load", "The long one")
    other = tasks.begin("bob", "load", "Another's")
    other.end("done")
    for n in range(REMEMBERED + 10):
        tasks.begin("ann", "load", str(n)).end("done")
    titles = [task.title for task in tasks.of("ann")]
    assert len(titles) == REMEMBERED + 1 and titles[0] == str(REMEMBERED + 9) and titles[-1] == "The long one"
    assert running in tasks.of("ann") and tasks.of("bob") == [other]


def test_a_failure_goes_when_the_same_work_is_begun_again_elsewhere() -> None:
    tasks = Tasks()
    tasks.begin("ann", "load", "Load x").end("failed", error="No connection.")
    tasks.begin("bob", "load", "Load x").end("cancelled")
    other, done = tasks.begin("ann", "load", "Load y"), tasks.begin("ann", "download", "Load x")
    other.end("failed")
    done.end("done")
    again = tasks.begin("ann", "load", "Load x")
    assert tasks.of("ann") == [again, done, other] and len(tasks.of("bob")) == 1


def test_whoever_began_it_is_told_that_it_was_dismissed() -> None:
    tasks, told = Tasks(), []
    task = tasks.begin("ann", "load", "Load x", dismissed=lambda: told.append(tasks.of("ann")))
    task.end("failed")
    tasks.dismiss("ann", task.id, local=False)
    assert told == [[]]


@pytest.mark.parametrize(
    ("error", "state", "words"), [(Cancelled(), "cancelled", ""), (ChatError("No room."), "failed", "No room."), (None, "done", "")]
)
def test_work_that_ends_ends_its_task(error: Exception | None, state: str, words: str) -> None:
    task = Tasks().begin("ann", "train", "Train")
    with ending(task):
        if error:
            raise error
        task.end("done")
    assert (task.state, task.error) == (state, words)


def test_what_is_unexpected_ends_the_task_and_goes_on() -> None:
    task = Tasks().begin("ann", "train", "Train")
    with pytest.raises(ZeroDivisionError), ending(task):
        raise ZeroDivisionError
    assert (task.state, task.error) == ("failed", UNEXPECTED)


def test_when_the_app_ends_some_kinds_are_asked_to_end_and_waited_for() -> None:
    tasks = Tasks()
    training, loading = tasks.begin("ann", "train", "Train"), tasks.begin(EVERYBODY, "load", "Load x")

    def work() -> None:
        with ending(training):
            while True:
                training.tell("Step")

    threading.Thread(target=work, daemon=True).start()
    tasks.stop(("train",), 30)
    assert (training.state, loading.state, loading.cancelling) == ("cancelled", "running", False)
