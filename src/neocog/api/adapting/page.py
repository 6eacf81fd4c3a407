"""An adaptation as its page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.api.adapting.clouds import Cloud, Maps, clouds
from neocog.api.adapting.compared import PLAIN, best_of
from neocog.api.adapting.judged import Outcome, fitted
from neocog.api.adapting.options import ADABN
from neocog.draw.adapting import AdaptPage, Cell, Line
from neocog.draw.clouds import cloud
from neocog.inference.layer_features import LAST

if TYPE_CHECKING:
    from neocog.api.adapting.result import Adaptation


def page_of(found: Adaptation) -> AdaptPage:
    pair, best = found.pair, found.best
    plots, plotted = _plots(found)
    return AdaptPage(
        model=pair.origin.model,
        source=pair.source.name,
        target=pair.target.name,
        said=f"{100 * best.mean:.1f} % mean per-class accuracy",
        detail=f"in the target by {best.name}{_beside(found)}",
        columns=found.layers,
        lines=_lines(found),
        plots=plots,
        plotted=plotted,
        facts=(
            ("classes", f"{len(pair.classes):,}"),
            ("labelled in the source", f"{len(found.splits[0].source):,}"),
            ("labelled in the target", f"{len(found.splits[0].labelled):,}"),
            ("judged", f"{len(found.splits[0].judged):,}"),
            ("draws", f"{len(found.splits):,}"),
            ("seed", str(found.asked.seed)),
        ),
        notes=found.notes(),
    )


def _of(layer: str) -> str:
    """Nothing where it is what the last layer reads, which goes without saying."""
    return "" if layer == LAST else f" of {layer}"


def _beside(found: Adaptation) -> str:
    """The best that does without adaptation; where that is the best of all, the best that adapts."""
    if not found.comparison:
        return ""
    plain = found.best.row.method in PLAIN
    other = best_of(each for each in found.outcomes if (each.row.method in PLAIN) != plain)
    words = "with" if plain else "without"
    verdict = "not distinguishable" if found.comparison.equal else f"p = {found.comparison.p:.2g}"
    return f"; the best {words} adaptation, {other.name}: {100 * other.mean:.1f} %, {verdict}"


def _lines(found: Adaptation) -> tuple[Line, ...]:
    tops = {layer: max(each.mean for each in found.outcomes if each.layer == layer) for layer in found.layers}
    rows = [each for each in found.outcomes if each.layer == found.layers[0]]
    lines, group = [], ""
    for each in rows:
        across = [found.outcome(each.row.name, layer) for layer in found.layers]
        cells = tuple(
            Cell(str(one), one.mean == tops[one.layer]) if one else Cell("\N{EN DASH}") for one in across
        )
        mine = each.row.method if each.row.method in PLAIN else "adapted"
        words = each.what if mine == "adapted" else ""
        lines.append(
            Line(
                each.row.name,
                words,
                f"{each.words} ({each.origin})",
                cells,
                first=mine != group and bool(group),
            )
        )
        group = mine
    return tuple(lines)


def _plots(found: Adaptation) -> tuple[tuple[str, ...], str]:
    """Both domains on the best layer of the best method that maps them; just as they are where none does."""
    mapped = [each for each in found.outcomes if each.row.method not in (*PLAIN, ADABN)]
    best = max(mapped, key=lambda each: each.mean, default=None)
    maps = _maps(found, best) if best else None
    layer = best.layer if best else found.layers[0]
    drawn = clouds(found.pair, found.splits[0], layer, maps, found.asked.seed)
    titles = ["as the network gives them", f"after {best.row.name}" if best else ""]
    names = (found.pair.source.name, found.pair.target.name)
    plots = tuple(
        cloud(title, _points(each), found.pair.classes, names, legend=each is drawn[-1])
        for title, each in zip(titles, drawn, strict=False)
    )
    after = f", and where {best.row.name} ({best.what}) puts them" if best else ""
    return plots, (
        f"Features{_of(layer)} as they are{after}: t-SNE of their first 50 principal components, "
        f"{len(drawn[0].labels):,} pictures of the first draw. Neither axis means anything; near is alike."
    )


def _maps(found: Adaptation, best: Outcome) -> Maps | None:
    machine = fitted(best.row, found.pair, found.splits[0], best.layer, found.asked.seed)
    return machine if isinstance(machine, Maps) else None


def _points(each: Cloud) -> list[tuple[float, float, int, bool]]:
    return [
        (float(x), float(y), int(k), bool(second))
        for (x, y), k, second in zip(each.points, each.labels, each.target, strict=True)
    ]
