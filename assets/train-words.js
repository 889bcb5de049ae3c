/* The page Train: what the numbers of a run mean, in words. */
(() => {
  const app = window.chatapp;
  const train = {};
  app.train = train;
  const { plot } = app;
  const NEAR = 0.03;

  /* Lines of the corpus, from knowing nothing down. */
  train.LEVELS = [
    ["uniform", "ln V", "guesses: every token is as likely as every other"],
    ["unigram", "unigram", "knows how often each token comes"],
    ["bigram", "bigram", "knows which token follows which"],
  ];

  /* Between which lines a loss lies, and what that means. */
  train.phase = (bits, baselines) => {
    const { uniform, unigram, bigram } = baselines ?? {};
    if (!uniform || !Number.isFinite(bits)) return "";
    if (bits > uniform * (1 - NEAR)) return "it knows nothing yet: every token is about as likely as every other";
    if (bits > unigram) return "it learns letters: which tokens are frequent, in no order";
    if (bits > bigram) return "it learns words: what tends to come after the token before";
    return "it learns order: it uses more than the token before, which a table of pairs cannot";
  };

  const bytes = (count) => {
    if (count >= 1e9) return `${(count / 1e9).toFixed(1)} GB`;
    return count >= 1e6 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(count / 1000))} kB`;
  };
  train.bytes = bytes;
  train.count = (number) => Number(number).toLocaleString("en");

  train.time = (seconds) => {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${plot.shown(seconds / 3600, 2)} h`;
  };

  /* What the loss of a run is measured in. */
  train.unit = ({ tuned }) =>
    tuned
      ? { name: "loss", words: "nats per token", held: "held out", title: "Loss in nats per token of the replies, by step" }
      : { name: "bits_per_byte", words: "bits per byte", held: "validation", title: "Loss in bits per byte, by step" };

  /* How good it is: on all of the validation text when it has ended, before on the part of it that was read last, and when. */
  function goodness(run) {
    const { name, words } = train.unit(run);
    const whole = run.about.result?.validation ?? run.about.result?.after;
    if (whole) return `${whole.toFixed(2)} ${words}`;
    const [at, loss] = run.points("validation", name).at(-1) ?? run.points("loss", name).at(-1) ?? [];
    return loss ? `${loss.toFixed(2)} ${words}${at === run.last() ? "" : ` at step ${train.count(at)}`}` : "";
  }

  /* How quick its steps are, while it takes some. */
  function pace(run) {
    const loss = run.of("loss").at(-1);
    if (run.about.state !== "running" || !loss || !(run.words ?? "").startsWith("Step ")) return [];
    const left = loss.seconds_left > 0 ? `${train.time(loss.seconds_left)} left` : "";
    return [loss.tokens_per_second ? `${train.count(Math.round(loss.tokens_per_second))} tokens/s` : "", left];
  }

  /* How far a run is, in a line: of what there is. */
  train.standing = (run) => {
    const { state, total_steps: total } = run.about;
    const far = total ? `step ${train.count(run.last())} of ${train.count(total)}` : "";
    return [train.STATES[state] ?? state, far, goodness(run), ...pace(run)].filter(Boolean).join(" · ");
  };

  train.STATES = {
    queued: "waits for its turn",
    running: "running",
    paused: "paused",
    stopped: "stopped",
    done: "done",
    failed: "failed",
  };

  /* What is known of a run, or of a plan, by name. */
  train.facts = ({ parameters, tokenizer, corpus, baselines, result }) => {
    const found = [];
    if (result?.test)
      found.push([
        "whole texts",
        `validation ${plot.shown(result.validation)}, test ${plot.shown(result.test)} bits per byte, when it ended`,
      ]);
    if (parameters) found.push(["parameters", train.count(parameters)]);
    if (tokenizer) {
      const { kind, vocab_size: size, bytes_per_token: each, embedding_parameters: own, gpt2_embedding_parameters: gpt2 } = tokenizer;
      found.push(["tokenizer", `${kind}: ${train.count(size)} entries, ${plot.shown(each)} bytes per token`]);
      found.push(["its embeddings", `${train.count(own)} parameters; GPT-2's 50,257 entries would take ${train.count(gpt2)}`]);
    }
    for (const split of ["train", "validation", "test"]) {
      const part = corpus?.[split];
      if (part) found.push([split, splitWords(part)]);
    }
    if (baselines?.uniform)
      found.push(["bits per byte", train.LEVELS.map(([name, label]) => `${label} ${level(baselines, name)}`).join(", ")]);
    return found;
  };
  /* What the rows of a run are, and what padding costs. */
  train.rows = ({ rows }) => {
    const { count, length, padding, packed, times_the_work: times } = rows;
    if (packed) return `${train.count(count)} packed blocks of ${length} tokens: the whole text, without padding.`;
    const cost = `${Math.round(100 * padding)} % of them padding: ${times} times the work of packed blocks of the same text.`;
    return `${train.count(count)} padded rows of ${length} tokens, ${cost}`;
  };
  const level = (baselines, name) => plot.shown(baselines[name]);
  const splitWords = ({ documents, bytes: size, tokens }) =>
    [documents === 1 ? "1 document" : `${train.count(documents)} documents`, bytes(size), tokens ? `${train.count(tokens)} tokens` : ""]
      .filter(Boolean)
      .join(", ");
})();
