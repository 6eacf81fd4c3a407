"""The experiments by name."""

from __future__ import annotations

from neocog.experiments.claims import Experiment
from neocog.experiments.decaf import cells as decaf_cells
from neocog.experiments.decaf import page as decaf_page
from neocog.experiments.decaf.facts import facts as decaf_facts
from neocog.experiments.ilsvrc import cells, facts, page
from neocog.experiments.tables import tables
from neocog.experiments.training.catalogue import STUDIES as STUDIES

EXPERIMENTS = {
    "tables": Experiment(
        "every size, receptive field, memory, parameter and FLOP count that the lecture prints, cell by cell",
        tables,
    ),
    "ilsvrc": Experiment(
        "the challenge's results beside what was published: nets, views and data behind each, layers counted",
        cells.sheets,
        facts.facts,
        page.plots,
        page.PREFACE,
    ),
    "decaf": Experiment(
        "features of a trained network on four tasks, beside what the sources published",
        decaf_cells.sheets,
        decaf_facts,
        decaf_page.plots,
        decaf_page.PREFACE,
    ),
}
