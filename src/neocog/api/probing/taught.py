"""What the network whose features are taken has learned from."""

from __future__ import annotations

from pathlib import Path

from neocog.api.embedding.classical import is_classical
from neocog.api.embedding.sources import reference_of
from neocog.api.evaluating.answered import training_hashes
from neocog.api.networks import run_and_epoch
from neocog.api.training.plan import PROBE
from neocog.bundle import read_bundle
from neocog.inference.feature_files import is_features_file


def taught(source: str | Path) -> frozenset[str]:
    """SHA-256 of the pictures that trained the network; none of a model, of a file of features, or of a run of which
    the last layer alone was trained."""
    if is_features_file(Path(source)) or is_classical(source) or reference_of(str(source)) is not None:
        return frozenset()
    folder, _ = run_and_epoch(source)
    if folder is None or read_bundle(folder).card.recipe.get("name") == PROBE:
        return frozenset()
    return training_hashes(folder)
