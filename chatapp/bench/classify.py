"""`--classify`: MiniLM fine-tuned on the rated movie sentences as the app does it: time, processor time, accuracy on held-out ones.

Beside it what a chat model says of the same sentences without any training (zero-shot), which takes the longer part of the run.
"""

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from chatapp.engines.cores import usable_cores
from chatapp.lab.classify.card import read_card
from chatapp.lab.classify.lesson import Lesson, of_movies
from chatapp.lab.classify.measures import measure, sentence
from chatapp.lab.classify.training import train
from chatapp.lab.classify.zero_shot import LABELS, PROMPT, zero_shot
from chatapp.models.cpu import cpu_name
from chatapp.models.hub import no_progress
from chatapp.settings import Settings
from chatapp.xray.text.models import read_alone
from chatapp.xray.text.which import located

MOST_SECONDS, LEAST_ACCURACY = 300, 0.75


def main(settings: Settings) -> int:
    """One run, from its start to the folder with its card; the sentences are fetched before. The status is 0 where both aims are kept."""
    lesson = of_movies(settings.data_dir, no_progress)
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        print(train(lesson, Path(folder) / lesson.name, no_progress))
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        card = read_card(Path(folder) / lesson.name)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cores = usable_cores()
    print(f"{seconds:.0f} s from start to card, {processor:.0f} s of processor time, {cores} cores of {cpu_name()}")
    untrained = by_zero_shot(lesson, settings)
    numbers = {"seconds": round(seconds, 1), "processor_seconds": round(processor, 1), "cores": cores}
    print(json.dumps({**vars(card), **numbers, "zero_shot": untrained}))
    return 0 if seconds <= MOST_SECONDS and card.accuracy >= LEAST_ACCURACY else 1


def by_zero_shot(lesson: Lesson, settings: Settings) -> dict[str, Any]:
    """What `measure` gives of the held-out sentences, labelled by the chat model as the page asks it."""
    by = zero_shot(read_alone(located(settings), settings, no_progress), LABELS, PROMPT)
    predicted = [max(range(len(LABELS)), key=logits.__getitem__) for logits in by.logits([text for text, _ in lesson.held_out])]
    found = measure([label for _, label in lesson.held_out], predicted, LABELS)
    print(f"Zero-shot by {by.name}: {sentence(found)}")
    return found
