"""How figures name tokens: as text, whatever the text is."""

from __future__ import annotations

import re

SPECIAL = re.compile(r"<\|?([\w./-]+)\|?>|\[([A-Za-z_]+)\]")
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
UNSEEN = str.maketrans({"\n": "↵", "\r": "↵", "\t": "⇥"})

# what a token says when pointed at; its numbers are the point's customdata
HOVER = (
    "<b>%{customdata[0]}</b><br>position %{customdata[1]}<br>"
    "written at step %{customdata[2]}<br>confidence %{customdata[3]}<extra></extra>"
)


def escaped(text: str) -> str:
    """The text, so that Plotly shows it as it stands: it reads tags and entities in text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def label(piece: str, longest: int) -> str:
    """What stands in a token's block: without its leading space, and cut to `longest`."""
    if match := BYTE.fullmatch(piece) or SPECIAL.fullmatch(piece):
        text = match[match.lastindex or 0]
    else:
        text = visible(piece.removeprefix(" ") or piece)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def visible(piece: str) -> str:
    """The whole token on one line: "∅" for none, and signs for blanks that would not be seen."""
    text = piece.translate(UNSEEN)
    return (text if text.strip(" ") else "␣" * len(text)) or "∅"
