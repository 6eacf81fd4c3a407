"""The experiments by name."""

from __future__ import annotations

from neocog.experiments.claims import Experiment
from neocog.experiments.tables import tables
from neocog.experiments.training.catalogue import STUDIES as STUDIES

EXPERIMENTS = {
    "tables": Experiment(
        "every size, receptive field, memory, parameter and FLOP count that the lecture prints, cell by cell",
        tables,
    ),
}
