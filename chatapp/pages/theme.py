"""The look as Gradio variables: own palette, system fonts, nothing fetched. The rest stands in assets/*.css."""

import gradio as gr
from gradio.themes.utils import colors

MOSS = colors.Color("#f0f7f4", "#dcece5", "#bbdacd", "#8fc1ae", "#5fa38c", "#3f8771", "#2f6d5b", "#27584a", "#21473d", "#1c3b33", "#0e211d")
STONE = colors.Color(
    "#faf9f7", "#f3f1ed", "#e6e3dc", "#d2cdc3", "#a39d91", "#78736a", "#5a564f", "#45423d", "#2b2926", "#1c1b19", "#121110"
)


def theme() -> gr.themes.Base:
    """Built here, never fetched: a Hub theme would reach for the network."""
    return gr.themes.Base(
        primary_hue=MOSS,
        secondary_hue=MOSS,
        neutral_hue=STONE,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="*neutral_50",
        background_fill_primary_dark="*neutral_950",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_900",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
    )
