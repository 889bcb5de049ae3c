"""Which pages there are, in the order of the navigation."""

from chatapp.pages import about_page, chat_page, classify_page, compare_page, glossary_page, models_page, text_page, train_page

PAGES = (
    chat_page.PAGE,
    models_page.PAGE,
    compare_page.PAGE,
    text_page.PAGE,
    train_page.PAGE,
    classify_page.PAGE,
    glossary_page.PAGE,
    about_page.PAGE,
)
