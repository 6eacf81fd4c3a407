"""Consensus and agreement in plain loops, as the papers write them: slow, and without any code of neocog."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import log

Vote = tuple[int, int, int]
"""item, annotator, label"""


def majority(votes: list[Vote], items: int) -> list[int]:
    """The most frequent label of each item, of equals the smallest; -1 without a vote."""
    found = []
    for i in range(items):
        labels = Counter(label for item, _, label in votes if item == i)
        found.append(min(labels, key=lambda label: (-labels[label], label)) if labels else -1)
    return found


def dawid_skene(
    votes: list[Vote], items: int, annotators: int, classes: int, rounds: int
) -> tuple[list[list[float]], list[list[list[float]]], list[float], float]:
    """`rounds` rounds of EM (eqs. 2.3 to 2.5 from the start 3.1): T, the error rates, p, the log likelihood."""
    n = [[[0] * classes for _ in range(annotators)] for _ in range(items)]
    for i, k, label in votes:
        n[i][k][label] += 1
    T = []
    for i in range(items):
        total = sum(map(sum, n[i]))
        T.append([sum(n[i][k][j] for k in range(annotators)) / total for j in range(classes)])
    rates, p = error_rates(n, T), prevalence(T)
    likelihood = float("nan")
    for _ in range(rounds):
        likelihood = 0.0
        new = []
        for i in range(items):
            joint = []
            for j in range(classes):
                value = p[j]
                for k in range(annotators):
                    for label in range(classes):
                        value *= rates[k][j][label] ** n[i][k][label]
                joint.append(value)
            likelihood += log(sum(joint))
            new.append([value / sum(joint) for value in joint])
        T = new
        rates, p = error_rates(n, T), prevalence(T)
    return T, rates, p, likelihood


def error_rates(n: list[list[list[int]]], T: list[list[float]]) -> list[list[list[float]]]:
    items, annotators, classes = len(n), len(n[0]), len(n[0][0])
    rates = []
    for k in range(annotators):
        matrix = []
        for j in range(classes):
            row = [sum(T[i][j] * n[i][k][label] for i in range(items)) for label in range(classes)]
            total = sum(row)
            matrix.append([value / total for value in row] if total else [1 / classes] * classes)
        rates.append(matrix)
    return rates


def prevalence(T: list[list[float]]) -> list[float]:
    return [sum(row[j] for row in T) / len(T) for j in range(len(T[0]))]


def krippendorff_alpha(votes: list[Vote]) -> float:
    """From the coincidence matrix over all ordered pairs of votes on one item."""
    of_item: dict[int, list[int]] = {}
    for item, _, label in votes:
        of_item.setdefault(item, []).append(label)
    together: Counter[tuple[int, int]] = Counter()
    for labels in of_item.values():
        for one, other in permutations(range(len(labels)), 2):
            together[labels[one], labels[other]] += 1 / (len(labels) - 1)  # type: ignore[assignment]
    n_of: Counter[int] = Counter()
    for (one, _), weight in together.items():
        n_of[one] += weight
    n = sum(n_of.values())
    differing = sum(weight for (one, other), weight in together.items() if one != other)
    by_chance = sum(n_of[one] * n_of[other] for one, other in permutations(n_of, 2)) / (n - 1)
    return 1 - differing / by_chance
