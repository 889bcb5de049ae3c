"""Good first models, small first, then those that write nothing: of families that the app's tests run, tokenizer, template and X-ray."""

from dataclasses import dataclass

from chatapp.models.purpose import Purpose


@dataclass(frozen=True)
class Pick:
    """A model on the Hub. `parameters` as its card says."""

    repo: str
    parameters: int
    words: str
    gated: bool = False
    purpose: Purpose = "chat"


PICKS = (
    Pick("distilbert/distilgpt2", 82_000_000, "The smallest: no chat, it goes on with a text. Six layers, quick to look into."),
    Pick("openai-community/gpt2", 124_000_000, "The classic that most explanations of attention use. It goes on with a text."),
    Pick("HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008, "The embedded model in its full precision."),
    Pick("HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120, "Its larger sister: compare what size changes."),
    Pick("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, "Small, in many languages, knows tools."),
    Pick("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1_100_048_384, "A Llama in small."),
    Pick("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400, "Answers well for its size.", gated=True),
    Pick("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_376_384, "The largest SmolLM2."),
    Pick("google/gemma-2-2b-it", 2_614_341_888, "Caps its attention scores, which X-ray shows.", gated=True),
    Pick("microsoft/Phi-3-mini-4k-instruct", 3_821_079_552, "Reasons well; it wants 8 to 16 GB."),
    Pick(
        "sentence-transformers/all-MiniLM-L6-v2",
        22_713_216,
        "Makes 384 numbers of a sentence: the base of classifiers that are trained here.",
        purpose="encoder",
    ),
    Pick(
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        66_955_010,
        "Says whether a sentence is friendly or not: the classifier of most tutorials.",
        purpose="classifier",
    ),
)
