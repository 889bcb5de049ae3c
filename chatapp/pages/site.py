"""Which pages there are, in the order of the navigation."""

from chatapp.pages import about_page, chat_page

PAGES = (chat_page.PAGE, about_page.PAGE)
