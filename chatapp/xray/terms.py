"""What X-ray's words mean: one list for the explanations where a term stands and for the glossary."""

from dataclasses import dataclass

from chatapp.sampling import SAMPLING_PARAMS


@dataclass(frozen=True)
class Term:
    """`name` is how it is written and asked for; `text` says what it is, in one or two sentences."""

    name: str
    text: str
    group: str


READING = "What the model reads"
CHOOSING = "How a token is chosen"
INSIDE = "Inside the model"
RUNNING = "Running it again"
GROUPS = (READING, CHOOSING, INSIDE, RUNNING)

WRITTEN = tuple(
    Term(name, text, group)
    for group, entries in {
        READING: {
            "token": "The unit a model reads and writes: a word, a piece of one, or a sign. Every model has its own list of them.",
            "token id": "The number of a token in the model's vocabulary. The model receives these numbers only, never letters.",
            "vocabulary": "The list of all tokens that a model knows, each with its number.",
            "tokenizer": "Cuts text into tokens and puts them together again. "
            "The name of its class says which library code does it, not how.",
            "BPE": "A way to build a vocabulary: the pair of pieces that is most frequent in training is joined, again and again.",
            "Unigram": "A way to cut words: each piece has a score, and of all ways to cut the one with the best sum is taken.",
            "WordPiece": "A way to cut words: from the beginning, the longest piece known each time; ## marks those that go on.",
            "byte": "The unit in which text is stored; a character outside English takes two to four. A token may hold only a part of one.",
            "special token": "A token that stands for no text but for a place: where a message begins or ends. "
            "Typed by a person it is only text.",
            "chat template": "The model's own recipe that turns a list of messages into one text, with marks for who speaks. "
            "Models are trained on theirs.",
            "generation prompt": "The last marks of the template, which say that the assistant speaks next. "
            "Without them a model might go on as the user.",
            "BOS, EOS, pad": "Special tokens for the beginning and the end of a text, and for filling up short rows of a batch. "
            "EOS ends a reply.",
            "attention mask": "One bit a token: 1 is read, 0 is padding and is not. A single prompt is never padded, so here all are 1.",
            "max_length": "The longest prompt and reply together. This app sets max tokens, which counts the reply alone.",
            "context": "How many tokens a model can take in at once, prompt and reply together. "
            "The oldest messages are left out when it is full.",
        },
        CHOOSING: {
            "logit": "The score a model gives each token of its vocabulary as the next one. "
            "Higher is likelier; only differences between scores count.",
            "probability": "A score turned into a share, so that all tokens together make 100 %. "
            "It is the model's own, before temperature and filters.",
            "log-probability": "The natural logarithm of a probability: 0 is certain, -0.7 a half, -2.3 a tenth. "
            "Added up, they say how likely a whole text is.",
            "rank": "The place of the token that came among all tokens, by probability. 1 is the likeliest.",
            "entropy": "How undecided the model was before this token, in bits: 0 is certain, 1 a choice between two, 10 between "
            "a thousand.",
            "perplexity": "Between how many equally likely tokens the model chose on average: 1 is certain. "
            "Only texts cut by the same tokenizer compare.",
            "bits per token": "How surprised the model was by a token on average: 1 bit is a chance of a half, 8 bits one of 256.",
            "bits per byte": "The same surprise for each byte of the text. It compares models whose tokenizers differ.",
            "softmax": "The formula that turns scores into probabilities which add up to 1.",
            "tokens left": "How many tokens can still be drawn after this step. The others were cut by a filter.",
            "greedy": "The likeliest token is taken each time, nothing is drawn: what temperature 0 does.",
            "seed": "The number that random choice starts from. The same seed, settings and model give the same reply.",
            "recorded probabilities": "What the engine itself noted while it wrote. "
            "llama.cpp notes none here: it would compute them apart from the draw.",
        },
        INSIDE: {
            "parameters": "The numbers a model learned. 135 million of them are a small model.",
            "layer": "One of the steps a model takes from token to prediction. Each adds something to every token's vector.",
            "head": "One of several attentions that work side by side in a layer, each looking for something else.",
            "attention": "How much a token takes over from each token before it: shares that add up to 100 %.",
            "attention sink": "Many heads look at the first token when they have nothing to look for. "
            "It carries no meaning, only a place to rest.",
            "logit lens": "Reads a middle layer as if it were the last one: which token would it name? Early layers were never "
            "trained to be read so.",
            "residual": "The vector of a token that runs through all layers. Each layer reads it and adds to it.",
            "embedding": "The vector a token begins as: one row of a table, learned. Tokens used alike have rows that point the same way.",
            "encoder": "A model that reads a whole text at once, each token seeing those before and behind it (BERT). It writes none.",
            "cosine similarity": "How much two vectors point the same way: 1 is the same direction, 0 is at right angles.",
            "relative depth": "A layer's place between the first and the last one. So models with different numbers of layers lie over "
            "one another.",
            "tied weights": "The table that reads tokens in is also the one that scores them at the end. "
            "Stored once, counted once or twice.",
            "feed-forward": "The second half of a layer: it works on each token by itself, after attention has mixed them.",
            "rotary": "How this model knows places: queries and keys are turned by an angle that grows with the position.",
            "keys and values": "What attention needs of each earlier token. They are kept, so that a token is read only once.",
            "KV cache": "The kept keys and values of all tokens so far. It grows with the conversation and is what a long context costs.",
            "reused prompt tokens": "Tokens whose keys and values were still in the KV cache from the turn before, so they were "
            "not read again.",
        },
        RUNNING: {
            "dtype": "In which number format the weights are held: float32 takes 4 bytes a number, bfloat16 2. "
            "Fewer bytes are quicker and less exact.",
            "quantization": "Weights stored in 4 or 8 bits each instead of 32. "
            "The file is several times smaller, its numbers slightly rounded.",
            "recomputed in float32": "X-ray reads the reply again with the weights in full numbers. "
            "The chat may run a quantized file, so its own differ a little.",
            "revision": "Which weights exactly: a commit of the Hub, a version, or a fingerprint of the files.",
            "replay": "The model writes the reply again from the recorded prompt and seed; the tokens are compared one by one.",
        },
    }.items()
    for name, text in entries.items()
)


SETTINGS = tuple(Term(param.label.lower(), param.help, CHOOSING) for param in SAMPLING_PARAMS)
"""A setting means in X-ray what the panel says of it."""

TERMS = tuple(sorted((*WRITTEN, *SETTINGS), key=lambda term: GROUPS.index(term.group)))


def anchor(name: str) -> str:
    """A term's place in the glossary."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def glossary() -> dict[str, dict[str, str]]:
    """For the page's script: by name."""
    return {term.name: {"text": term.text, "anchor": anchor(term.name)} for term in TERMS}
