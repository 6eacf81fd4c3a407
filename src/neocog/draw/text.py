"""Text in pictures and pages: how wide it is, cut where there is no more room, numbers as people read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from html import escape

from neocog.draw.table import printable

EMS = {"ijlI|'": 0.3, " .,:;·": 0.33, "frt()[]/!-_": 0.42, "0123456789": 0.64, "×→−÷…": 0.84, "mwMW%@": 0.99}
NOT_XML = re.compile("[\ufffe\uffff]")  # no text in XML, beside control characters
NOT_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # no text in HTML


def length(text: str, size: float) -> float:
    """About how wide `text` is in a sans-serif face of `size`: in DejaVu Sans, wider than most."""
    return size * sum(_em(c) for c in text)


def _em(c: str) -> float:
    for letters, em in EMS.items():
        if c in letters:
            return em
    if unicodedata.east_asian_width(c) in "WF":
        return 1.0
    return 0.72 if c.isupper() else 0.63


def fit(text: str, room: float, size: float) -> str:
    """`text`, cut in the middle where it is wider than `room`: a layer's number stands at its end."""
    if length(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        if length(short, size) <= room:
            return short
    return "…"


def safe(text: str) -> str:
    """Other people's words for XML and HTML."""
    return escape(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", printable(text)))


def short(n: float) -> str:
    """A count in three digits: 9.54 K, 37.8 M, 4.09 G."""
    for power, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " K")):
        if n >= power * 0.9995:
            return f"{n / power:.3g}{unit}" if n < 999.5 * power else f"{n / power:.0f}{unit}"
    return f"{n:.3g}" if n % 1 else f"{n:.0f}"


def size_text(size: Sequence[int]) -> str:
    """As every page and line says it: 3 × 224 × 224."""
    return " × ".join(f"{side:,}" if len(size) == 1 else str(side) for side in size)


def kibibytes(size: float) -> str:
    """Bytes as the lecture prints them, in units of 1024."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**power:
            value = size / 1024**power
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.3g} {unit}"
    return f"{size:.0f} B"


def readable(value: object) -> object:
    """`value`, but a path may hold bytes that are no text, and a browser must still read the page."""
    return NOT_HTML.sub("\ufffd", value) if isinstance(value, str) and NOT_HTML.search(value) else value


def plain(value: object) -> object:
    """`value` without control characters: a path may hold marks that turn the text around it."""
    return readable(printable(value)) if type(value) is str else value


def percent(share: float) -> str:
    """`share` in percent with one decimal, or the few more it takes not to call 99.96 a 100."""
    texts = [f"{100 * share:.{digits}f}" for digits in (1, 2, 3, 4)]
    return next((text for text in texts if 0 < float(text) < 100), texts[0])


def in_percent(share: float) -> str:
    """`share` as everything here says it: 27.6 %."""
    return f"{percent(share)} %"


def count(n: int, thing: str) -> str:
    many = "es" if thing.endswith(("s", "ch")) else "s"
    return f"{n:,} {thing}{'' if n == 1 else many}"


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds:.2f} s" if seconds >= 0.01 else "under 0.01 s"


def points(difference: float) -> str:
    """A difference of shares in percentage points, signed; a true minus, so that columns stand straight."""
    text = f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")
    return text.lstrip("+\N{MINUS SIGN}") if float(f"{100 * difference:.1f}") == 0 else text


def p_value(p: float) -> str:
    """`p = .004`, `p < .001`, as papers print it."""
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.2f}".replace("0.", ".", 1) if p >= 0.0995 else f"p = {p:.3f}".replace("0.", ".", 1)
