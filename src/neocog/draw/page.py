"""A page in one HTML file that needs no other: what all pages share, around the template of each."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from neocog.draw.text import readable

STYLES = ("report.css",)


def filled(
    template: str,
    words: Mapping[str, Any],
    *,
    styles: Sequence[str] = STYLES,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    finalize: Callable[[object], object] = readable,
) -> str:
    """The template of that name, which extends `page.html`, filled with `words`; each is escaped unless it is `Markup`.

    `styles` are files of CSS, one behind the other; `finalize` has the last word on every value.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    environment.filters.update(filters or {})
    css = "".join(_text(name) for name in styles)
    return environment.get_template(template).render(words, css=css)


def _text(name: str) -> str:
    return files("neocog.draw").joinpath(name).read_text("utf-8")


def framed(page: str, height: int = 800) -> str:
    """The whole page as a part of a notebook, whose styles and its own do not meet."""
    return f'<iframe srcdoc="{html.escape(page)}" width="100%" height="{height}" style="border: 0"></iframe>'
