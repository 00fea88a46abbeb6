"""How gradio's own components look: one accent, quiet borders, the bundled IBM Plex fonts."""

from __future__ import annotations

import gradio as gr

SYSTEM = ("ui-sans-serif", "system-ui", "sans-serif")
PAIRS = {  # name: (light, dark)
    "body_background_fill": ("#f7f7f5", "#101316"),
    "body_text_color": ("#1b1f24", "#e6e9ec"),
    "body_text_color_subdued": ("#59636e", "#9aa5b0"),
    "block_background_fill": ("transparent", "transparent"),
    "block_border_width": ("0px", "0px"),
    "block_title_text_color": ("#1b1f24", "#e6e9ec"),
    "input_background_fill": ("#ffffff", "#181c20"),
    "input_placeholder_color": ("#59636e", "#9aa5b0"),
    "input_border_color": ("#868e96", "#6b757f"),  # 3:1: a field must be seen to be one
    "input_border_color_focus": ("#0072b2", "#56b4e9"),
    "border_color_primary": ("#e3e4e2", "#2a3036"),
    "button_primary_background_fill": ("#0072b2", "#0072b2"),
    "button_primary_background_fill_hover": ("#005f95", "#0576b5"),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_secondary_background_fill": ("#ffffff", "#1e2328"),
    "button_secondary_border_color": ("#d9dcdf", "#343b42"),
    "slider_color": ("#0072b2", "#56b4e9"),
    "checkbox_border_color": ("#868e96", "#6b757f"),
    "checkbox_background_color_selected": ("#0072b2", "#56b4e9"),
    "checkbox_label_background_fill": ("#ffffff", "#1e2328"),
}


def theme() -> gr.themes.Base:
    """The theme. Its fonts are files of gradio's package: nothing is fetched from elsewhere.

    Only weights 400 and 700: the other files there hold a few letters, the rest would fall back.
    """
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.gray,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), *SYSTEM],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
    ).set(
        **{name: light for name, (light, _) in PAIRS.items()},
        **{f"{name}_dark": dark for name, (_, dark) in PAIRS.items()},
        block_shadow="none",
        block_label_background_fill="transparent",
        block_title_text_size="13px",
        block_title_text_weight="600",
        block_info_text_size="12px",
        block_padding="0px",
        input_border_width="1px",
        input_shadow="none",
        button_border_width="1px",
    )
