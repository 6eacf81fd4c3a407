"""Times multinomial logistic regression with ten strengths of regularisation beside scikit-learn's.

benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from child import apart, run
from job import say
from record import RESULTS, Figure, Record, machine
from solver_problems import Floats, Labels, made_up_features, network_features

HERE = Path(__file__).parent.resolve()
WORDS = {
    "neocog": "neocog's solve_path",
    "default": "scikit-learn's lbfgs, defaults",
    "warm": "scikit-learn's lbfgs, defaults and warm_start",
    "equal": "scikit-learn's lbfgs, warm_start, to about 1e-4 of the least objective",
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
    place = problem.with_suffix(".json")
    if not place.exists():
        say(f"{problem.stem}: the optimum, by scikit-learn in double precision")
        place.write_text(json.dumps(solved("optimum", problem, OMP_NUM_THREADS="1").objectives))
    return list(json.loads(place.read_text()))


def measure(record: Record, name: str, problem: Path, rounds: int) -> None:
    """Every side in turn; each one's line says how far it is from the least objective, at the worst strength."""
    best = np.array(least(problem))
    found: dict[str, list[Solved]] = {side: [] for side in WORDS}
    for turn in range(rounds):
        say(f"{name}: round {turn + 1} of {rounds}")
        for side, runs in found.items():
            runs.append(solved(side, problem))
    best = np.minimum(best, np.min([one.objectives for runs in found.values() for one in runs], axis=0))
    for side, runs in found.items():
        gaps = np.array(runs[-1].objectives) / best - 1
        facts = {"worst_gap": f"{gaps.max():.1e}", "strengths_within_1e-4": int((gaps <= 1e-4).sum())}
        seconds = tuple(one.seconds for one in runs)
        if side != OURS:
            record.write(Figure(bench=name, what=WORDS[side], unit="seconds", values=seconds, facts=facts))
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
            record.write(figure)


def main() -> None:
    given = arguments()
    for name in [name for name in os.environ if name.endswith("_NUM_THREADS") and not given.quick]:
        del os.environ[name]  # each side chooses its threads as it does for its users
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        record = Record((folder if given.quick else RESULTS) / f"{machine()}-solver.csv")
        count, rounds = (200, 1) if given.quick else (10_000, given.rounds)
        if "solver_features" in given.only:
            if (given.fashion / "train-images-idx3-ubyte.gz").exists():
                place = folder / f"features-{count}.npz"
                problem = made(place, network_features, given.fashion.resolve(), count, folder / "cache")
                measure(record, "solver_features", problem, rounds)
            else:
                say(f"solver_features: skipped, no IDX files in {given.fashion}; give --fashion FOLDER")
        if "solver_100" in given.only:
            problem = made(folder / f"made-up-{count}.npz", made_up_features, count)
            measure(record, "solver_100", problem, rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add, names = parser.add_argument, ["solver_features", "solver_100"]
    add("--only", nargs="+", choices=names, default=names, metavar="NAME")
    add("--quick", action="store_true", help="200 pictures, one round, not kept in results/")
    add("--rounds", type=int, default=3)
    add("--folder", type=Path, help="where features and optima are kept; else a temporary one")
    add("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="its four IDX files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
