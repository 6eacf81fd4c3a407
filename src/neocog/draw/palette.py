"""The colours of pictures that stand alone: by light and by dark, one for each kind of layer."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.network import KINDS
from neocog.draw.text import length, safe

INK = {
    "p": "#faf9f6",
    "c": "#fff",
    "i": "#1c2126",
    "s": "#59626b",
    "l": "#d5d1c8",
    "b": "#f1efe9",
    "e": "#8b949c",
    "t": "#ebe8e1",
}
INK_DARK = {
    "p": "#14171a",
    "c": "#1f252a",
    "i": "#e9e7e3",
    "s": "#a4adb5",
    "l": "#3a434a",
    "b": "#1a1f23",
    "e": "#77818a",
    "t": "#2a3036",
}
"""paper, card, ink, soft ink, line, band, edge, track"""
LIGHT = ("#2a6a9c", "#5b9a8b", "#c2752f", "#9a6fb0", "#98842c", "#b0506a", "#59626b", "#3f7d8c", "#8b949c")
DARK = ("#6cb0e2", "#74bba9", "#e59a5c", "#b98fd0", "#cdb755", "#e08aa2", "#a4adb5", "#6fb6c6", "#8b949c")
WORDS = {
    "conv": "convolution", "pool": "pooling", "linear": "linear", "attention": "attention", "norm": "normalisation",
    "recurrent": "recurrent", "join": "join", "block": "block of layers", "other": "other",
}  # fmt: skip
FACE = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",Arial,sans-serif'


MARGIN = 20.0
NARROWEST = 356.0  # of a picture


def style(name: str, rules: str) -> str:
    """The style of an SVG of class `name`; `rules` may use var(--i) and the like. It reaches nothing outside."""
    light = _variables(INK | dict(zip(KINDS, LIGHT, strict=True)))
    dark = _variables(INK_DARK | dict(zip(KINDS, DARK, strict=True)))
    kinds = "".join(f".{name} .k-{kind}{{fill:var(--{kind})}}" for kind in KINDS)
    return (
        f".{name}{{{light}font-family:{FACE}}}@media screen and (prefers-color-scheme:dark){{.{name}{{{dark}}}}}"
        f"{rules}{kinds}"
    )


def drawing(
    name: str, label: str, size: tuple[float, float], body: str, rules: str, widths: tuple[float, float]
) -> str:
    """An SVG of class `name` that needs nothing else, `size` (width, height) units large, on paper of its own.

    The first word of `name` is that of `style`, which made the `rules`. `label` is what is read out. On a page it takes
    the room that there is, from the least to the most pixels of `widths`; where there is less it has to be scrolled.
    """
    least = f"min-width:{widths[0]:.0f}px;" if widths[0] else ""
    own = f".{name.partition(' ')[0]} .paper"
    paper = f"{own}{{fill:var(--p)}}@media print{{{own}{{fill:none}}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" role="img" aria-label="{safe(label)}" width="100%" '
        f'style="{least}max-width:{widths[1]:.0f}px" viewBox="0 0 {size[0]:g} {size[1]:g}">'
        f'<style>{rules}{paper}</style><rect class="paper" width="100%" height="100%"/>{body}</svg>\n'
    )


def heading(title: str) -> str:
    """What stands above a plot, of class `h`."""
    return f'<text class="h" x="2" y="18">{safe(title)}</text>'


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def legend(kinds: Sequence[str]) -> list[list[tuple[float, str]]]:
    """Lines of (x, kind) that fit into the narrowest picture."""
    rows: list[list[tuple[float, str]]] = [[]]
    x = MARGIN
    for kind in kinds:
        room = length(WORDS[kind], 11) + 30
        if x + room > NARROWEST - MARGIN + 14:
            rows.append([])
            x = MARGIN
        rows[-1].append((x, kind))
        x += room
    return rows
