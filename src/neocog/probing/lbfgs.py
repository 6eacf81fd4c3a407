"""Limited-memory BFGS for smooth convex functions, in numpy alone: importing scipy's takes longer than many a fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Function = Callable[[Doubles], tuple[float, Doubles]]
Step = tuple[Doubles, Doubles, float]  # a move, what it did to the gradient, and the product of both
MEMORY = 40  # steps that are remembered; with 10, as in scipy, weak regularisation takes about twice as many
MAX_ITERATIONS = 1000
SUFFICIENT = 1e-4  # share of the decrease that the slope promises (Armijo's condition)
ROUNDING = 1e-7  # of the value, since it is computed in single precision
SHORTEST = 2.0**-20


def minimise(function: Function, start: Doubles, near: float) -> Doubles:
    """Where `function`, which gives its value and its gradient, is about `near` of its value above its least.

    The function has to be convex, and best has a Hessian near the identity. How far the least value is, is told by half
    of the squared Newton decrement with the Hessian that the last steps have shown (Boyd and Vandenberghe 2004, section
    9.5.1). The method is algorithm 7.5 of Nocedal and Wright (2006) with steps that are halved until they descend: on a
    convex function the curvature along any step is positive, so that Wolfe's second condition is not needed.
    """
    point, (value, gradient) = start, function(start)
    steps: deque[Step] = deque(maxlen=MEMORY)
    for _ in range(MAX_ITERATIONS):
        direction = -newton_step(gradient, steps)
        slope = float(np.vdot(gradient, direction))
        if -slope <= 2 * near * abs(value):
            break
        length = 1.0
        while True:
            there = point + length * direction
            after, new = function(there)
            if after <= value + SUFFICIENT * length * slope + ROUNDING * abs(value):
                break
            length /= 2
            if length < SHORTEST:
                return point
        move, change = there - point, new - gradient
        if (curvature := float(np.vdot(move, change))) > 0:  # rounding may hide it
            steps.append((move, change, curvature))
        point, value, gradient = there, after, new
    return point


def newton_step(gradient: Doubles, steps: deque[Step]) -> Doubles:
    """The inverse Hessian that fits the `steps` times `gradient` (algorithm 7.4 there)."""
    found, shares = gradient.copy(), []
    for move, change, curvature in reversed(steps):
        share = np.vdot(move, found) / curvature
        found -= share * change
        shares.append(share)
    if steps:
        _, change, curvature = steps[-1]
        found *= curvature / np.vdot(change, change)
    for (move, change, curvature), share in zip(steps, reversed(shares), strict=True):
        found += (share - np.vdot(change, found) / curvature) * move
    return found
