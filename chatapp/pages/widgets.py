"""The pieces of the chat page, as markup."""

from chatapp.pages import shell
from chatapp.pages.assets import icons
from chatapp.pages.shell import button

EXAMPLES = (
    ("Explain", "Why is the sky blue?", "Explain to a ten-year-old why the sky is blue, in five sentences."),
    ("Write", "A letter to my future self", "Write a short, honest letter from me to myself in ten years."),
    ("Code", "Count the words of a text", "Write a Python function that counts the words of a text, with one example."),
    ("Think", "Is 17 077 a prime number?", "Is 17077 a prime number? Show how you find out, step by step."),
)


def conversations() -> str:
    """New chat, search, and the list: the chat's part of the sidebar."""
    return f"""
{button("new", "New chat (Ctrl+Shift+O)", "plus", text="New chat", kind="new")}
<div class="search">{icons()["search"]}
  <input type="search" id="search" aria-label="Search all conversations" placeholder="Search" autocomplete="off">
</div>
<nav id="conversations" aria-label="Conversations"></nav>
<input type="file" id="import-file" accept=".json,.jsonl,application/json" hidden aria-label="File to import">"""


def all_conversations() -> str:
    """What concerns all conversations, at the sidebar's foot."""
    return f"""
<button type="button" class="quiet" data-do="menu-all" aria-haspopup="menu">{icons()["more"]}<span>My conversations</span></button>"""


def header() -> str:
    """Title of the conversation, which model answers, and what can be done with it."""
    return shell.header(
        "New chat",
        f"""<button type="button" id="picker" class="quiet" data-do="picker" aria-haspopup="dialog" aria-expanded="false" hidden>
    <span></span>{icons()["right"]}
  </button>
  <div id="picker-list" role="dialog" aria-label="Which model answers" tabindex="-1" hidden></div>
  <span id="temporary-mark" hidden>Temporary: kept nowhere</span>
  <span class="spring"></span>
  <button type="button" class="quiet toggle" data-do="temporary" aria-pressed="false" title="A temporary chat is kept nowhere">
    {icons()["ghost"]}<span>Temporary</span>
  </button>
  {button("menu-one", "Export or delete this conversation", "more", extra='aria-haspopup="menu"')}
  {button("fold-right", "Settings: system prompt and sampling", "sliders", extra='id="show-right"')}""",
    )


def transcript() -> str:
    """Where the script draws the conversation, and what tells a screen reader that a reply is whole."""
    return """
<section id="bot" role="log" aria-label="Conversation" aria-live="off" tabindex="0"><div class="messages"></div></section>
<button type="button" id="to-end" data-do="to-end" aria-label="Go to the end" title="Go to the end" hidden>↓</button>
<div id="announcer" class="off-screen" role="status" aria-live="polite"></div>"""


def empty() -> str:
    """The first page: the headline in the model's own tokens, and a way to begin."""
    cards = "".join(
        f'<button type="button" class="example" data-do="example" data-text="{prompt}"><b>{verb}</b><span>{title}</span></button>'
        for verb, title, prompt in EXAMPLES
    )
    return f"""
<section id="welcome" aria-label="Start">
  <div id="headline" role="heading" aria-level="2">What would you like to know?</div>
  <p id="model-line" role="status"></p>
  <p id="about">Chat with the model, then press <b>X-ray</b> under any reply: <span class="here">the exact prompt it read, every token's
  probability, where it looked, what each layer would have said.</span><span class="far" hidden>the exact request that another server was
  sent, and what that said of its reply.</span></p>
  <div class="examples">{cards}</div>
</section>"""


def composer() -> str:
    """The box: one button that sends or stops, the queue of messages that wait, the context meter."""
    return f"""
<div class="composer">
  <p id="notice" role="status" hidden></p>
  <p id="own-model" role="status" hidden></p>
  <div class="box">
    <div id="attached" role="list" aria-label="Attached files"></div>
    {button("attach", "Attach text files and PDFs", "clip")}
    <input type="file" id="attach-file" multiple hidden aria-label="Files to attach">
    <textarea id="message" rows="1" dir="auto" aria-label="Message" placeholder="Message" enterkeyhint="send" autofocus></textarea>
    <button type="button" id="send" data-do="send" aria-label="Send" title="Send (Enter)">{icons()["send"]}</button>
  </div>
  <div class="under">
    <div id="meter" role="img" aria-label="Context" hidden>
      <span class="bar"><i class="used"></i><i class="reserved"></i></span><span class="words"></span>
    </div>
    <span class="spring"></span>
    <span id="model-state" role="status"></span>
  </div>
</div>"""


def panel_head() -> str:
    """Title of the settings and the way out of them."""
    return f'<div class="panel-top"><h2>Settings</h2>{button("fold-right", "Hide the settings", "close")}</div>'
