"""What the network whose features are taken has learned from."""

from __future__ import annotations

import json
from pathlib import Path

from neocog.api.embedding.classical import is_classical
from neocog.api.embedding.sources import reference_of
from neocog.api.evaluating.answered import training_hashes
from neocog.api.networks import run_and_epoch
from neocog.api.training.plan import PROBE
from neocog.bundle import read_bundle
from neocog.inference.feature_files import is_features_file

KEPT = "run.json"  # says which network the bundle of a fine-tuning run has


def taught(source: str | Path) -> frozenset[str]:
    """SHA-256 of the pictures that trained the network; none of a model, of a file of features, or of a run of which
    the last layer alone was trained."""
    if (
        is_features_file(Path(source).expanduser())
        or is_classical(source)
        or reference_of(str(source)) is not None
    ):
        return frozenset()
    folder, epoch = run_and_epoch(source)
    if folder is None or (epoch is None and is_frozen(folder)):
        return frozenset()
    return training_hashes(folder)


def is_frozen(run: Path) -> bool:
    """Whether the run has the network that it began with: that of the recipe `probe`, one that the verb `probe` saved,
    or that of a fine-tuning which kept the probe."""
    if read_bundle(run).card.recipe.get("name") == PROBE:
        return True
    try:
        told = json.loads((run / KEPT).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    beside = told.get("beside_probe") or {}
    return told.get("recipe") == PROBE or beside.get("kept") == "probe"
