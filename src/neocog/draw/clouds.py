"""Points of several classes in the plane, in two shapes: where pictures of two domains lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neocog.draw.axes import in_lines
from neocog.draw.palette import drawing, heading, style
from neocog.draw.text import length, safe

SIDE, MARGIN, TOP = 400.0, 12.0, 30.0
SIZE = 3.4  # of a point, from its middle
LISTED = 12  # classes with a legend; more are too many to tell apart by colour
LINE = 20.0
RULES = """
.ncp text{fill:var(--s);font-size:12px}.ncp .h{fill:var(--i);font-size:14px;font-weight:650}
.ncp .a{fill-opacity:.8}.ncp .b{fill:none;stroke-width:1.5}.ncp .frame{fill:none;stroke:var(--l)}
.ncp .k{fill:var(--s)}.ncp .kb{fill:none;stroke:var(--s);stroke-width:1.5}
"""
Point = tuple[float, float, int, bool]
"""across, up, the class's number, whether it is of the second domain"""


def cloud(
    title: str,
    points: Sequence[Point],
    classes: Sequence[str],
    domains: tuple[str, str],
    legend: bool = True,
) -> str:
    """An SVG that needs nothing else: discs are of the first domain, triangles of the second, colours are classes.

    Neither axis has a unit, so both are scaled alike to fill the square. Names are escaped. `legend` says what shapes
    and colours stand for: of several plots side by side one has it.
    """
    place = _placing(points)
    marks = "".join(_mark(place(x, y), k, second, classes[k]) for x, y, k, second in points)
    key, height = _legend(classes, domains) if legend else ("", 1.0)
    frame = f'<rect class="frame" x=".5" y="{TOP:g}" width="{SIDE - 1:g}" height="{SIDE:g}" rx="6"/>'
    rules = style("ncp", RULES + _colours(len(classes)))
    body = f"{heading(title)}{frame}{marks}{key}"
    return drawing("ncp", title, (SIDE, TOP + SIDE + height), body, rules, (0, SIDE * 1.3))


def _placing(points: Sequence[Point]) -> Callable[[float, float], tuple[float, float]]:
    """From a point of the plot to a place in the square."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    reach = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    scale = (SIDE - 2 * MARGIN) / reach

    def place(x: float, y: float) -> tuple[float, float]:
        return SIDE / 2 + scale * (x - middle[0]), TOP + SIDE / 2 - scale * (y - middle[1])

    return place


def _mark(at: tuple[float, float], k: int, second: bool, name: str) -> str:
    css = f"{'b' if second else 'a'} c{k}"
    return f"{_shape(*at, second, css)}<title>{safe(name)}</title></path>"


def _shape(x: float, y: float, second: bool, css: str) -> str:
    """The start of a path: a disc, or a triangle around the same middle."""
    if second:
        r = SIZE * 1.25
        path = f"M{x:.1f},{y - r:.1f}l{0.87 * r:.1f},{1.5 * r:.1f}h{-1.74 * r:.1f}z"
    else:
        path = f"M{x - SIZE:.1f},{y:.1f}a{SIZE:g},{SIZE:g} 0 1,0 {2 * SIZE:g},0a{SIZE:g},{SIZE:g} 0 1,0 {-2 * SIZE:g},0"
    return f'<path class="{css}" d="{path}">'


def hue(k: int, classes: int) -> tuple[str, str]:
    """The colour of a class by light and by dark: hues evenly apart, light and dark by turns."""
    turn, lightness = f"{360 * k / classes:.0f} 58%", 42 if k % 2 else 52
    return f"hsl({turn} {lightness}%)", f"hsl({turn} {lightness + 16}%)"


def _colours(classes: int) -> str:
    css, more = [], []
    for k in range(classes):
        colour, lit = hue(k, classes)
        css.append(
            f".ncp .c{k}{{fill:{colour};stroke:{colour}}}.ncp .a.c{k}{{stroke:none}}.ncp .b.c{k}{{fill:none}}"
        )
        more.append(f".ncp .a.c{k}{{fill:{lit}}}.ncp .b.c{k}{{stroke:{lit}}}")
    return f"{''.join(css)}@media screen and (prefers-color-scheme:dark){{{''.join(more)}}}"


def _legend(classes: Sequence[str], domains: tuple[str, str]) -> tuple[str, float]:
    """Which shape is which domain; which colour is which class, where they are few; and its height."""
    y = TOP + SIDE + LINE
    parts = [
        f"{_shape(8, y - 4, False, 'k')}</path>" + _text(18, y, domains[0]),
        f"{_shape(8, y + LINE - 4, True, 'kb')}</path>" + _text(18, y + LINE, domains[1]),
    ]
    y += 2 * LINE
    if len(classes) > LISTED:
        parts.append(_text(2, y, f"colours: {len(classes)} classes"))
        return "".join(parts), y + 8 - TOP - SIDE
    places = in_lines([length(name, 12) + 26 for name in classes], 2.0, SIDE, y, LINE)
    for k, (name, (x, y)) in enumerate(zip(classes, places, strict=True)):
        parts.append(f"{_shape(x + 6, y - 4, False, f'a c{k}')}</path>" + _text(x + 16, y, name))
    return "".join(parts), y + 8 - TOP - SIDE


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{safe(words)}</text>'
