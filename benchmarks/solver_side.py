"""One side of bench_solver.py: seconds for all strengths, and the objectives reached; prints JSON.

python solver_side.py SIDE PROBLEM.npz. What is imported, read and judged is not timed.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from solver_problems import STRENGTHS, Floats, Labels, objective

Layers = list[tuple[Any, Any]]


def ours(x: Floats, labels: Labels) -> Layers:
    from neocog.probing.logistic import solve_path

    return list(solve_path(x, labels, int(labels.max()) + 1, STRENGTHS))


def tight(c: float) -> float:
    """The gradient at which scikit-learn's objective is about 1e-4 from its least, found by trying."""
    return min(1e-5, 3e-6 / c**0.5)


def loose(c: float) -> float:
    """scikit-learn's default."""
    return 1e-4


def scikit_learn(tol: Callable[[float], float] = loose, **options: Any) -> Callable[[Floats, Labels], Layers]:
    """A loop over the strengths."""
    from sklearn.linear_model import LogisticRegression

    def solved(x: Floats, labels: Labels) -> Layers:
        model, found = LogisticRegression(**options), []
        for c in STRENGTHS:
            model.set_params(C=c, tol=tol(c)).fit(x, labels)
            found.append((model.coef_.copy(), model.intercept_.copy()))
        return found

    return solved


SIDES: dict[str, Callable[[], Callable[[Floats, Labels], Layers]]] = {
    "neocog": lambda: ours,
    "default": scikit_learn,
    "warm": lambda: scikit_learn(warm_start=True),
    "equal": lambda: scikit_learn(tight, warm_start=True, max_iter=10_000),
    "optimum": lambda: scikit_learn(lambda c: tight(c) / 30, warm_start=True, max_iter=100_000),
}


def main(side: str, problem: Path) -> None:
    warnings.simplefilter("ignore")  # scikit-learn's, that its 100 iterations were not enough
    given = np.load(problem)
    x, labels = given["x"], given["labels"]
    if side == "optimum":
        x = x.astype(np.float64)
    work = SIDES[side]()
    work(x[:500, :20], labels[:500])  # imports what it needs
    start = perf_counter()
    layers = work(x, labels)
    seconds = perf_counter() - start
    reached = [objective(x, labels, *layer, c) for layer, c in zip(layers, STRENGTHS, strict=True)]
    print(json.dumps({"seconds": seconds, "objectives": reached}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
