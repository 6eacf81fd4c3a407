"""One side of bench_solver.py: seconds for all strengths, and the objectives reached; prints JSON.

python solver_side.py SIDE PROBLEM.npz. What is imported, read and judged is not timed. Beside the problem lie
PROBLEM.json, the least objectives, and PROBLEM-tolerances.json, which the side `tried` is for and `equal` reads.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from solver_problems import NEAR, STRENGTHS, Floats, Labels, least_of, objective, tolerances_of

Layers = list[tuple[Any, Any]]
DEFAULT = 1e-4  # scikit-learn's
TIGHTEST = 1e-8
TOLERANCES = tuple(float(tolerance) for tolerance in np.logspace(-2, -8, 13))
PATIENT: dict[str, Any] = {"warm_start": True, "max_iter": 10_000}


def ours(x: Floats, labels: Labels) -> Layers:
    from neocog.probing.logistic import solve_path

    return list(solve_path(x, labels, int(labels.max()) + 1, STRENGTHS))


def scikit_learn(tolerances: Sequence[float], **options: Any) -> Callable[[Floats, Labels], Layers]:
    """A loop over the strengths."""
    from sklearn.linear_model import LogisticRegression

    def solved(x: Floats, labels: Labels) -> Layers:
        model, found = LogisticRegression(**options), []
        for c, tolerance in zip(STRENGTHS, tolerances, strict=True):
            model.set_params(C=c, tol=tolerance).fit(x, labels)
            found.append((model.coef_.copy(), model.intercept_.copy()))
        return found

    return solved


def tried(x: Floats, labels: Labels, least: Sequence[float]) -> list[float]:
    """For each strength the loosest tolerance with which `equal` comes within `NEAR` of the least objective.

    A strength begins where the last one ended, whichever tolerances were tried in vain. Where none of `TOLERANCES` is
    enough it is the tightest.
    """
    from sklearn.linear_model import LogisticRegression

    found: list[float] = []
    start: tuple[Any, Any] | None = None
    for c, best in zip(STRENGTHS, least, strict=True):
        for tolerance in TOLERANCES:
            model = LogisticRegression(C=c, tol=tolerance, **PATIENT)
            if start is not None:
                model.coef_, model.intercept_ = (part.copy() for part in start)
            model.fit(x, labels)
            if objective(x, labels, model.coef_, model.intercept_, c) <= best * (1 + NEAR):
                break
        start = model.coef_, model.intercept_
        found.append(tolerance)
    return found


def side_of(name: str, problem: Path) -> Callable[[Floats, Labels], Layers]:
    if name == "neocog":
        return ours
    if name == "equal":
        return scikit_learn(json.loads(tolerances_of(problem).read_text()), **PATIENT)
    tolerance, options = {
        "default": (DEFAULT, {}),
        "warm": (DEFAULT, {"warm_start": True}),
        "optimum": (TIGHTEST, {"warm_start": True, "max_iter": 100_000}),
    }[name]
    return scikit_learn((tolerance,) * len(STRENGTHS), **options)


def main(side: str, problem: Path) -> None:
    warnings.simplefilter("ignore")  # scikit-learn's, that its 100 iterations were not enough
    given = np.load(problem)
    x, labels = given["x"], given["labels"]
    if side == "tried":
        print(json.dumps(tried(x, labels, json.loads(least_of(problem).read_text()))))
        return
    if side == "optimum":
        x = x.astype(np.float64)
    work = side_of(side, problem)
    work(x[:500, :20], labels[:500])  # imports what it needs
    start = perf_counter()
    layers = work(x, labels)
    seconds = perf_counter() - start
    reached = [objective(x, labels, *layer, c) for layer, c in zip(layers, STRENGTHS, strict=True)]
    print(json.dumps({"seconds": seconds, "objectives": reached}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
