"""The naive way everybody starts with: `generate` in a thread, read through a TextIteratorStreamer."""

import threading
import time
from pathlib import Path

from chatapp.bench.measure import Run
from chatapp.prompt import render
from chatapp.turn import Message, Sampling


class Naive:
    """A float32 transformers model on the CPU, driven as in the tutorials."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.weight_bytes = sum(p.nbytes for p in self.model.parameters())

    def reply(self, question: str, sampling: Sampling) -> Run:
        """One reply; tokens are counted from the ids, not from the streamer's chunks."""
        import torch
        from transformers import TextIteratorStreamer

        prompt = render([Message("user", question)], self.tokenizer, context=8192, max_tokens=sampling.max_tokens)
        ids = torch.tensor([prompt.ids])
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True)
        counted: list[int] = []

        def generate() -> None:
            out = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                streamer=streamer,
                do_sample=True,
                max_new_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_k=sampling.top_k,
                top_p=sampling.top_p,
            )
            counted.append(out.shape[1] - ids.shape[1])

        started, first = time.perf_counter(), 0.0
        worker = threading.Thread(target=generate)
        worker.start()
        for piece in streamer:
            first = first or (time.perf_counter() - started if piece else 0.0)
        worker.join()
        return Run(counted[0], first, time.perf_counter() - started)
