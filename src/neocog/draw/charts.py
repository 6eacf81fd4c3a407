"""The lecture's bar charts, a number for each layer, and the sentence that says what is seen: derived, not written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from neocog.draw.palette import drawing, heading, style
from neocog.draw.text import fit, kibibytes, safe, short

WIDTH, NAMES, VALUES, ROW, TOP = 320.0, 96.0, 64.0, 20.0, 34.0
MOST = 30  # bars of one chart; beyond it layers of one module share a bar
STYLE = style(
    "ncb",
    """
.ncb text{fill:var(--s);font-size:12px}.ncb .h{fill:var(--i);font-size:14px;font-weight:650}.ncb .track{fill:var(--t)}
""",
)
GROUPS = {
    "conv": "convolutions",
    "pool": "pools",
    "linear": "fully connected layers",
    "attention": "attention",
    "norm": "normalisations",
    "recurrent": "recurrent layers",
    "join": "joins of branches",
}


@dataclass(frozen=True)
class Bar:
    """A layer's number. `kind` is one of `neocog.draw.network.KINDS`."""

    label: str
    kind: str
    value: int


@dataclass(frozen=True)
class Chart:
    """A picture and its sentence."""

    title: str
    svg: str
    sentence: str


def charts(memory: Sequence[Bar], params: Sequence[Bar], macs: Sequence[Bar]) -> tuple[Chart, Chart, Chart]:
    """Memory of the outputs in bytes, parameters and multiply-adds, layer by layer."""
    return (
        Chart("Memory", bars("Memory of the outputs", memory, kibibytes), memory_sentence(memory)),
        Chart("Parameters", bars("Parameters", params), kind_sentence("parameters", params)),
        Chart("Multiply-adds", bars("Multiply-adds", macs), kind_sentence("multiply-adds", macs)),
    )


def bars(title: str, layers: Sequence[Bar], text: Callable[[float], str] = short) -> str:
    """A bar for each layer, the first on top, as an SVG that needs nothing else. Labels are untrusted and escaped."""
    shown = gathered(layers)
    largest = max((bar.value for bar in shown), default=0) or 1
    height = TOP + ROW * len(shown) + 6
    body = "".join(_row(n, bar, largest, text) for n, bar in enumerate(shown))
    return drawing(
        "ncb", f"{title} by layer", (WIDTH, height), heading(title) + body, STYLE, (0, WIDTH * 1.25)
    )


def _row(n: int, bar: Bar, largest: int, text: Callable[[float], str]) -> str:
    y, room = TOP + ROW * n, WIDTH - NAMES - VALUES
    size = room * bar.value / largest
    return (
        f"<g><title>{safe(bar.label)}: {bar.value:,}</title>"
        f'<text x="{NAMES - 8:g}" y="{y + 13:g}" text-anchor="end">{safe(fit(bar.label, NAMES - 10, 12))}</text>'
        f'<rect class="track" x="{NAMES:g}" y="{y + 3:g}" width="{room:g}" height="13" rx="3"/>'
        f'<rect class="k-{bar.kind}" x="{NAMES:g}" y="{y + 3:g}" width="{size:.2f}" height="13" '
        f'rx="{min(3, size / 2):.2f}"/>'
        f'<text x="{WIDTH - 2:g}" y="{y + 13:g}" text-anchor="end">{safe(text(bar.value))}</text></g>'
    )


def gathered(layers: Sequence[Bar]) -> list[Bar]:
    """`layers`, or where they are too many those of one module as one bar, and at last equally many in each."""
    deepest = max((bar.label.count(".") for bar in layers), default=0)
    for depth in range(deepest + 1, 0, -1):
        found = _merged(layers, [".".join(bar.label.split(".")[:depth]) for bar in layers])
        if len(layers) <= MOST or len(found) <= MOST:
            return list(layers) if len(layers) <= MOST else found
    many = -(-len(layers) // MOST)
    return [_joined(layers[i : i + many]) for i in range(0, len(layers), many)]


def _merged(layers: Sequence[Bar], keys: Sequence[str]) -> list[Bar]:
    found = []
    for key, run in groupby(range(len(layers)), lambda i: keys[i]):
        own = [layers[i] for i in run]
        found.append(_joined(own, key) if len(own) > 1 else own[0])
    return found


def _joined(layers: Sequence[Bar], label: str = "") -> Bar:
    kinds = {bar.kind for bar in layers}
    name = label or f"{layers[0].label} to {layers[-1].label}"
    return Bar(name, kinds.pop() if len(kinds) == 1 else "block", sum(bar.value for bar in layers))


def memory_sentence(layers: Sequence[Bar]) -> str:
    """Where most of the memory is: the shortest run of layers that holds two thirds of it."""
    total = sum(bar.value for bar in layers)
    if not total:
        return "No layer puts anything out."
    start, stop = _shortest(layers, total)
    run = layers[start:stop]
    share = percent(sum(bar.value for bar in run), total)
    if len(run) == 1:
        return f"Most of the memory is used by one layer: {run[0].label} holds {share}."
    if len(run) > len(layers) / 2:
        large = max(layers, key=lambda bar: bar.value)
        return (
            f"The memory is spread over the network: it takes {len(run)} of the {len(layers)} layers in a row to "
            f"hold {share}, and the largest, {large.label}, holds {percent(large.value, total)}."
        )
    where = "early " if stop <= len(layers) / 2 else "late " if start >= len(layers) / 2 else ""
    kind = "convolutional layers" if {bar.kind for bar in run} <= {"conv", "pool"} else "layers"
    return f"Most of the memory is used by the {where}{kind}: {run[0].label} to {run[-1].label} hold {share}."


def _shortest(layers: Sequence[Bar], total: int) -> tuple[int, int]:
    """Start and stop of the first shortest run that holds two thirds of `total`."""
    best, start, held = (0, len(layers)), 0, 0
    for stop, bar in enumerate(layers, 1):
        held += bar.value
        while 3 * (held - layers[start].value) >= 2 * total:
            held -= layers[start].value
            start += 1
        if 3 * held >= 2 * total and stop - start < best[1] - best[0]:
            best = (start, stop)
    return best


def kind_sentence(what: str, layers: Sequence[Bar]) -> str:
    """Which kind of layer holds the most, and which layer."""
    total = sum(bar.value for bar in layers)
    if not total:
        return f"There are no {what}."
    kinds: dict[str, int] = {}
    for bar in layers:
        kinds[bar.kind] = kinds.get(bar.kind, 0) + bar.value
    kind, value = max(kinds.items(), key=lambda item: item[1])
    names = GROUPS | ({"linear": "linear layers"} if any(bar.kind == "attention" for bar in layers) else {})
    large = max(layers, key=lambda bar: bar.value)
    first = f"{percent(value, total)} of the {what} are in the {names.get(kind, 'other layers')}"
    equals = sum(bar.value == large.value for bar in layers)
    if equals > 1:
        return f"{first}; the {equals} layers with the most have {percent(large.value, total)} each."
    return f"{first}; the layer with the most is {large.label}, {percent(large.value, total)}."


def percent(part: int, total: int) -> str:
    """A share to a hundredth of a percent; 100 % and 0 % only where it is so."""
    if part in (0, total):
        return "0 %" if not part else "100 %"
    return f"{min(max(100 * part / total, 0.01), 99.99):.2f} %"
