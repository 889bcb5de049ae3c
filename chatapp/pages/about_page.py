"""About the app: what runs here, in which versions, and under which licence."""

from chatapp import __version__
from chatapp.pages.assets import NAME
from chatapp.pages.shell import Page

BODY = f"""
<section class="card">
  <p>{NAME} {__version__} talks to models on this machine and shows, exactly, what the model saw and did.</p>
</section>"""

PAGE = Page("About", "about", "info", BODY)
