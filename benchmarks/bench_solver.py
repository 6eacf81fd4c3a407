"""Times multinomial logistic regression with ten strengths of regularisation beside scikit-learn's.

benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from child import apart, run
from job import Bench, bench_of, picture_options, say, shared_options
from record import Figure
from solver_problems import (
    NEAR,
    Floats,
    Labels,
    least_of,
    made_up_features,
    network_features,
    tolerances_of,
)

HERE = Path(__file__).parent.resolve()
WORDS = {
    "neocog": "neocog's solve_path",
    "default": "scikit-learn's lbfgs, defaults",
    "warm": "scikit-learn's lbfgs, defaults and warm_start",
    "equal": "scikit-learn's lbfgs, warm_start, the loosest tolerances within 1e-4 of the least objective",
}
OURS = "neocog"


@dataclass(frozen=True)
class Solved:
    """What a side took and reached, in one round."""

    seconds: float
    objectives: list[float]


def solved(side: str, problem: Path, **settings: str) -> Solved:
    found = json.loads(run([sys.executable, HERE / "solver_side.py", side, problem], HERE, settings).out)
    return Solved(found["seconds"], found["objectives"])


def made(place: Path, make: Callable[..., tuple[Floats, Labels]], *args: object) -> Path:
    """The problem's file, kept if it is there."""
    if not place.exists():
        x, labels = apart(make, *args)
        np.savez(place, x=x, labels=labels)
    return place


def least(problem: Path) -> list[float]:
    """The objectives of scikit-learn in double precision until nothing moves, kept beside the problem."""
    place = least_of(problem)
    if not place.exists():
        say(f"{problem.stem}: the optimum, by scikit-learn in double precision")
        place.write_text(json.dumps(solved("optimum", problem, OMP_NUM_THREADS="1").objectives))
    return list(json.loads(place.read_text()))


def find_tolerances(problem: Path) -> list[float]:
    """scikit-learn's, each the loosest that is near enough to the least objective, kept beside the problem."""
    place = tolerances_of(problem)
    if not place.exists():
        say(f"{problem.stem}: scikit-learn's tolerances, by trying")
        place.write_text(run([sys.executable, HERE / "solver_side.py", "tried", problem], HERE, {}).out)
    return list(json.loads(place.read_text()))


def measure(bench: Bench, name: str, problem: Path) -> None:
    """Every side in turn; each one's line says how far it is from the least objective, at the worst strength."""
    best = np.array(least(problem))
    tolerances = find_tolerances(problem)
    found: dict[str, list[Solved]] = {side: [] for side in WORDS}
    for _ in bench.turns(name, 3):
        for side, runs in found.items():
            runs.append(solved(side, problem))
    best = np.minimum(best, np.min([one.objectives for runs in found.values() for one in runs], axis=0))
    for side, runs in found.items():
        gaps = np.array(runs[-1].objectives) / best - 1
        facts: dict[str, object] = {
            "worst_gap": f"{gaps.max():.1e}",
            "strengths_within_1e-4": int((gaps <= NEAR).sum()),
        }
        if side == "equal":
            facts["tolerances"] = " ".join(f"{tolerance:.1e}" for tolerance in tolerances)
        seconds = tuple(one.seconds for one in runs)
        if side != OURS:
            bench.record.write(
                Figure(bench=name, what=WORDS[side], unit="seconds", values=seconds, facts=facts)
            )
            continue
        for peer in [peer for peer in found if peer != OURS]:
            figure = Figure(
                bench=name,
                what=f"{WORDS[OURS]}, beside {WORDS[peer]}",
                unit="seconds",
                values=seconds,
                ratios=tuple(b.seconds / a.seconds for a, b in zip(runs, found[peer], strict=True)),
                goal="ratio >= 5" if peer == "equal" else "",
                facts=facts,
            )
            bench.record.write(figure)


def solver_features(bench: Bench) -> None:
    """Features of Fashion-MNIST."""
    if not (bench.fashion / "train-images-idx3-ubyte.gz").exists():
        say(f"solver_features: skipped, no IDX files in {bench.fashion}; give --fashion FOLDER")
        return
    count = counted(bench)
    place, cache = bench.folder / f"features-{count}.npz", bench.folder / "cache"
    measure(bench, "solver_features", made(place, network_features, bench.fashion, count, cache))


def solver_100(bench: Bench) -> None:
    """Made-up features of a hundred classes."""
    count = counted(bench)
    measure(bench, "solver_100", made(bench.folder / f"made-up-{count}.npz", made_up_features, count))


def counted(bench: Bench) -> int:
    """Pictures."""
    return 200 if bench.quick else 10_000


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    work.__name__: work for work in (solver_features, solver_100)
}


def main() -> None:
    parser = shared_options(__doc__, MEASUREMENTS)
    picture_options(parser)
    given = parser.parse_args()
    with bench_of(given, "-solver") as bench:
        for name in given.only:
            MEASUREMENTS[name](bench)


if __name__ == "__main__":
    main()
