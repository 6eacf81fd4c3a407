"""Both halves of MMDT beside cvxpy, and the alternation beside one that is written with cvxpy alone."""

import cvxpy
import numpy as np
import pytest
from numpy.typing import NDArray

from neocog.adaptation.hinge import Hinges, machines
from neocog.adaptation.mmdt import Task

Doubles = NDArray[np.float64]


def task(seed: int, d: int = 4, classes: int = 3, n: int = 15, m: int = 6) -> Task:
    """Classes that overlap; in the target they are turned and stretched. The last feature is the 1 of the offset."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, d))
    labels = [np.arange(count) % classes for count in (n, m)]
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0] * 1.5
    source, target = (centres[each] + 0.6 * rng.normal(size=(len(each), d)) for each in labels)
    rows = [np.hstack([x, np.ones((len(x), 1))]) for x in (source, target @ turn)]
    return Task(rows[0], labels[0], rows[1], labels[1], classes)


def hinge(rows: object, labels: NDArray[np.int64], theta: object, classes: int) -> object:
    signs = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    return cvxpy.sum(cvxpy.pos(1 - cvxpy.multiply(signs, rows @ theta.T)))  # type: ignore[attr-defined, operator]


def solved(objective: object) -> float:
    return float(cvxpy.Problem(cvxpy.Minimize(objective)).solve(solver="CLARABEL"))


def theta_by_cvxpy(t: Task, w: Doubles, costs: tuple[float, float]) -> tuple[float, Doubles]:
    """The least |theta|^2 / 2 + faults for a given W."""
    theta = cvxpy.Variable((t.classes, t.source.shape[1]))
    faults = costs[0] * hinge(t.source, t.source_labels, theta, t.classes)
    faults += costs[1] * hinge(t.target @ w.T, t.target_labels, theta, t.classes)
    return solved(cvxpy.sum_squares(theta) / 2 + faults), theta.value


def transform_by_cvxpy(t: Task, theta: Doubles, cost: float) -> tuple[float, Doubles]:
    """The least |W|^2 / 2 + faults for given machines."""
    d = t.source.shape[1]
    w = cvxpy.Variable((d, d))
    least = solved(cvxpy.sum_squares(w) / 2 + cost * hinge(t.target @ w.T, t.target_labels, theta, t.classes))
    return least, w.value


COSTS = [(0.05, 1.0), (1.0, 1.0), (0.5, 20.0)]


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_with_the_identity_theta_is_that_of_cvxpy(seed: int, costs: tuple[float, float]) -> None:
    t = task(seed)
    least, theta = theta_by_cvxpy(t, np.eye(5), costs)
    machine = t.solved(costs, rounds=0, tolerance=1e-4)
    assert machine.transform is None
    assert machine.objectives == pytest.approx([least + 5 / 2], rel=1e-4)  # |I|^2 / 2
    assert machine.theta == pytest.approx(theta, abs=0.03)  # a gap of 1e-4 leaves theta that near


@pytest.mark.parametrize("cost", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_w_is_that_of_cvxpy(seed: int, cost: float) -> None:
    t = task(seed)
    theta = np.random.default_rng(seed).normal(size=(3, 5))
    least, w = transform_by_cvxpy(t, theta, cost)
    found, _ = t._transform_step(theta, cost, None, 1e-4)
    assert found.left.T @ found.right == pytest.approx(w, abs=0.03)
    assert found(t.target) == pytest.approx(t.target @ w.T, abs=0.05)
    assert found.square() == pytest.approx(np.square(w).sum(), rel=0.02)
    signs = np.where(t.target_labels[:, None] == np.arange(3), 1.0, -1.0)
    faults = np.maximum(1 - signs * (found(t.target) @ theta.T), 0).sum()
    assert found.square() / 2 + cost * faults == pytest.approx(least, rel=1e-4)


@pytest.mark.parametrize("costs", COSTS)
def test_the_alternation_is_that_of_cvxpy(costs: tuple[float, float]) -> None:
    """Both solve convex problems whose answers are unique, so that they walk the same way."""
    t = task(3)
    w = np.eye(5)
    objectives = []
    for _ in range(4):
        least, theta = theta_by_cvxpy(t, w, costs)
        objectives.append(least + np.square(w).sum() / 2)
        w = transform_by_cvxpy(t, theta, costs[1])[1]
    found = t.solved(costs, rounds=3, tolerance=1e-4)
    assert found.objectives == pytest.approx(objectives[: len(found.objectives)], rel=3e-3)
    assert all(
        later <= before * (1 + 1e-3) for before, later in zip(objectives, objectives[1:], strict=False)
    )


def test_a_tighter_gap_comes_nearer() -> None:
    t = task(0)
    rows = np.vstack([t.source, t.target])
    labels = np.concatenate([t.source_labels, t.target_labels])
    signs = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    machines = Hinges(rows @ rows.T, np.eye(3), signs, np.ones(len(rows)))
    least, theta = theta_by_cvxpy(t, np.eye(5), (1.0, 1.0))
    weights = machines.weights(None, 1e-10)
    assert machines.objective(weights) == pytest.approx(least, rel=1e-8)
    assert weights.T @ rows == pytest.approx(theta, abs=1e-4)
    assert ((weights * signs >= 0) & (weights * signs <= 1)).all()  # within the bounds of the dual


@pytest.mark.parametrize("seen", [[0, 1], [0, 1, 2], [0, 2, 3]])
def test_one_against_the_others_is_that_of_cvxpy_for_two_classes_and_for_one_without_rows(
    seen: list[int],
) -> None:
    t, classes = task(1), max(seen) + 1
    labels, bounds = np.array(seen)[t.source_labels % len(seen)], np.linspace(0.2, 2, 15)
    found = machines(t.source, labels, bounds, classes, 1e-6)
    for k in range(classes):
        w = cvxpy.Variable(5)
        sides = np.where(labels == k, 1.0, -1.0)
        faults = bounds @ cvxpy.pos(1 - cvxpy.multiply(sides, t.source @ w))
        solved(cvxpy.sum_squares(w) / 2 + faults)
        assert found[k] == pytest.approx(w.value, abs=1e-3)
