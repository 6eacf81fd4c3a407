"""docs/schedules.svg: the learning rate of every schedule over a run of 30 epochs."""

from dataclasses import replace
from pathlib import Path

from neocog.draw.palette import style
from neocog.training.recipes.recipe import SCHEDULES, Recipe
from neocog.training.schedule import Plateau, Rate, rate

EPOCHS, PER_EPOCH = 30, 8
STEPS = EPOCHS * PER_EPOCH
WIDTH, HEIGHT, GAP, TOP = 230.0, 84.0, 24.0, 26.0
STYLE = style(
    "ncs",
    ".ncs text{fill:var(--s);font-size:11px}.ncs .h{fill:var(--i);font-size:13px;font-weight:650}"
    ".ncs .axis{stroke:var(--l)}.ncs polyline{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".ncs .lr{stroke:var(--conv)}.ncs .momentum{stroke:var(--pool);stroke-dasharray:5 3}",
)
BASE = Recipe(lr=1.0, warmup=0.1)
SHOWN = {
    "constant": (BASE, "warmup 0.1, as in all"),
    "cosine": (BASE, ""),
    "linear": (BASE, ""),
    "step": (replace(BASE, milestones=(0.5, 0.75), decay_rate=0.4), "milestones 0.5 0.75, decay_rate 0.4"),
    "exponential": (replace(BASE, decay_rate=0.8, decay_epochs=3), "decay_rate 0.8, decay_epochs 3"),
    "plateau": (replace(BASE, decay_rate=0.4, decay_epochs=2), "decay_rate 0.4, decay_epochs 2"),
    "one-cycle": (replace(BASE, warmup=0.3), "warmup 0.3; dashed: momentum"),
}


def main() -> None:
    rows = -(-len(SHOWN) // 2)
    width, height = 2 * WIDTH + 3 * GAP, rows * (HEIGHT + TOP + GAP)
    parts = [plot(n, name) for n, name in enumerate(SCHEDULES)]
    Path("docs/schedules.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ncs" role="img" aria-label="Learning rates of the schedules" '
        f'width="100%" style="max-width:{1.4 * width:g}px" viewBox="0 0 {width:g} {height:g}"><style>{STYLE}</style>'
        f"{''.join(parts)}</svg>\n"
    )


def plot(n: int, name: str) -> str:
    x, y = GAP + n % 2 * (WIDTH + GAP), TOP + n // 2 * (HEIGHT + TOP + GAP)
    recipe, words = SHOWN[name]
    found = rates(replace(recipe, schedule=name))
    lines = {"lr": [one.lr for one in found]}
    if name == "one-cycle":
        lines["momentum"] = [(one.momentum - 0.84) / 0.12 for one in found]
    return (
        f'<text class="h" x="{x:g}" y="{y - 8:g}">{name}</text>'
        f'<text x="{x:g}" y="{y + HEIGHT + 14:g}">{words}</text>'
        f'<line class="axis" x1="{x:g}" x2="{x + WIDTH:g}" y1="{y + HEIGHT:g}" y2="{y + HEIGHT:g}"/>'
        + "".join(curve(css, values, x, y) for css, values in lines.items())
    )


def curve(css: str, values: list[float], x: float, y: float) -> str:
    places = (
        f"{x + WIDTH * step / (STEPS - 1):.1f},{y + HEIGHT * (1 - v):.1f}" for step, v in enumerate(values)
    )
    return f'<polyline class="{css}" points="{" ".join(places)}"/>'


def rates(recipe: Recipe) -> list[Rate]:
    """Of every step. For `plateau` an error that halves the way to a floor, which falls a little with each cut."""
    found, state, error = [], Plateau(), 1.0
    for step in range(STEPS):
        found.append(rate(recipe, step, STEPS, PER_EPOCH, state.cuts))
        if step % PER_EPOCH == PER_EPOCH - 1:
            error = round((error + 0.3 * 0.5**state.cuts) / 2, 2)
            state = state.after(error, recipe)
    return found


if __name__ == "__main__":
    main()
