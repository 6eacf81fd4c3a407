"""The page of the challenge: its words and its plot."""

from __future__ import annotations

from neocog.draw.years import Mark, by_year
from neocog.experiments.ilsvrc.facts import interval
from neocog.experiments.published import Result, results

KINDS = ("several networks averaged", "one network", "a person", "features made by hand")
# variants of what is drawn, which would cover it
LEFT_OUT = (
    *("googlenet_7_1", "googlenet_7_10", "googlenet_1_10", "human_googlenet"),
    *("resnet152_10", "vgg19_1", "vgg_2"),
)
PREFACE = """# ILSVRC: what the lecture prints, and what stands behind it

The lecture's tables of the challenge set one network's name beside one error. This page sets each cell beside what was
published, says what the figure really is, marks what is wrong (✗) or contested (?) with the reason, and adds what can
be computed without ImageNet's pictures. No error on this page was measured here: where one could be, the command is
given.

`neocog reproduce ilsvrc` prints what stands below and ends with code 1 if a cell is a mismatch; what is marked as an
erratum and is none is one, too. With `-o FOLDER` it writes this page. In Python: `neocog.reproduce("ilsvrc")`. The
printed cells are in `src/neocog/experiments/printed/ilsvrc_*.csv`, the published results in
`src/neocog/experiments/published/ilsvrc.csv`. A test holds this page to it."""


def plots() -> dict[str, str]:
    """The errors by year, each with who and what it is."""
    marks = [_mark(result) for result in results().values() if result.name not in LEFT_OUT]
    title = "ILSVRC: top-5 error in percent on the test pictures, or (val) the validation pictures; 95 % intervals"
    return {"ilsvrc": by_year(title, marks, KINDS)}


def _mark(result: Result) -> Mark:
    person, made = result.name.startswith("human"), result.protocol == "Fisher vectors"
    words = [result.entry]
    words += [f"{result.nets} nets"] if (result.nets or 0) > 1 else []
    words += ["1 crop"] if result.protocol == "center" else []
    words += [f"{result.pictures:,} pictures"] if person else []
    words += ["more data"] if result.trained_on != "no" and not person else []
    words += ["val"] if result.part == "val" else []
    kind = 2 if person else 3 if made else 1 if result.nets == 1 else 0
    label = f"{', '.join(words)}: {float(result.error):g}"
    return Mark(label, result.year, float(result.error), interval(result), kind)
