"""The experiments on training by name; each is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neocog.experiments.training.study import Study

STUDIES = {
    "lenet-1998": "the exact LeNet-5 on handwritten digits, beside support vector machines",
    "relu-tanh": "how much sooner ReLUs reach a training error than tanh",
    "dropout": "dropout in a network that is too large for its pictures",
    "batch-norm": "speed, large rates, bad first weights, regularisation, covariate shift",
    "smoothness": "the loss along its gradient with and without batch normalisation",
    "depth": "plain and residual networks, shallow and deep",
    "construction": "identity layers put into a trained plain net, against the same depth from scratch",
    "stacks": "three 3×3 convolutions in place of one 7×7",
    "pooling": "average against maximum pooling, overlapping windows against others",
    "head": "AlexNet's fully connected head against global average pooling",
    "positions": "a tiny Vision Transformer with no, learned, 1-D and 2-D positions",
    "lrn": "local response normalisation, batch normalisation, or none",
    "augmentation": "shifted and mirrored training pictures",
    "ensemble": "the average of several networks",
}
"""what each trains, in one line"""


def study(name: str) -> Study:
    """An experiment of `STUDIES`."""
    found: Study = import_module(f"neocog.experiments.training.{name.replace('-', '_')}").STUDY
    return found
