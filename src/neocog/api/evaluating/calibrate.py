"""The verb `calibrate`: pictures that did not train say how sure a run may be of its answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.api.alone import demand_alone
from neocog.api.classifier import load
from neocog.api.evaluating.answered import Answered, answered, skipped_names, training_hashes
from neocog.api.evaluating.evaluate import judged_data
from neocog.api.evaluating.judge import Asked, answering_of
from neocog.api.evaluating.options import JudgedOptions
from neocog.api.evaluating.scored import match_labels
from neocog.api.networks import Loaded, find_run
from neocog.bundle import Calibration, calibrate_bundle
from neocog.data.dataset import Dataset
from neocog.errors import UserError
from neocog.evaluation.calibration import reliability, stored_temperature, tempered
from neocog.evaluation.conformal import nonconformity
from neocog.evaluation.metrics import log_loss
from neocog.progress import Progress, Silent
from neocog.weights.digest import digest
from neocog.weights.shipped import SHIPPED

FEWEST = 40  # pictures; fewer say next to nothing


@dataclass(frozen=True)
class Calibrated:
    """What a calibration found, and how the answers on the same pictures changed."""

    run: str
    temperature: float
    """that logits are divided by from now on; above 1 the run was too sure of its answers"""
    n_fit: int
    """pictures that found the temperature, none of which trained"""
    n_promise: int
    """other such pictures, which promise coverage"""
    left_out: int
    """pictures that trained, or of classes that the model does not know"""
    nll: tuple[float, float]
    """mean negative logarithm of the true class's probability, before and after, on the pictures that promise"""
    ece: tuple[float, float]
    """expected calibration error, before and after, on the same"""
    data: str
    note: str = ""
    """why no temperature was found, where 1 is stored instead"""

    @property
    def most(self) -> float:
        """The highest coverage that can be promised."""
        return self.n_promise / (self.n_promise + 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"nll": list(self.nll), "ece": list(self.ece), "highest_coverage": self.most}

    def __str__(self) -> str:
        return (
            f"temperature {self.temperature:.3f} from {self.n_fit:,} pictures; on {self.n_promise:,} others log loss "
            f"{self.nll[0]:.4f} before, {self.nll[1]:.4f} after; calibration error {self.ece[0]:.4f} before, "
            f"{self.ece[1]:.4f} after"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"


def calibrate(
    run: str | Path, data: object, *, progress: Progress | None = None, **options: Unpack[JudgedOptions]
) -> Calibrated:
    """Find the temperature of `run` on labelled `data` (Guo et al. 2017) and store it in the run.

    Probabilities are those of logits divided by it from then on; which class is the most probable does not change. One
    half of the pictures finds it; the scores of the other are stored, so that `predict` can promise a coverage.
    Pictures that trained, known by their content, are left out. Raises `UserError` in words.
    """
    demand_alone("calibrate")
    told = progress or Silent()
    folder = find_run(run)
    if folder is None:
        raise UserError(
            f"{run} is a published model without a folder to store it in; give the folder of a run"
        )
    if folder in SHIPPED.values():
        raise UserError(
            f"{run} came with neocog, which is not changed; copy its folder {folder} and give the copy"
        )
    dataset = judged_data(data, told, options, options.get("part"))
    classifier = load(
        folder,
        model=options.get("model"),
        engine=options.get("engine", "auto"),
        device=options.get("device", "auto"),
    )
    if classifier.several:
        raise UserError("a temperature is for runs that name one class per picture, this one names several")
    head = replace(classifier.loaded.head, temperature=1.0)
    plain = replace(classifier.loaded, head=head)
    member = replace(classifier.member(), loaded=plain)
    found = answered(answering_of(member, Asked()), dataset, training_hashes(folder), told)
    for path, reason in skipped_names(dataset, found, options.get("strict", False)):
        told.say(f"skipped {path}: {reason}")
    if (by := classifier.loaded.bundle) and by.card.recipe.get("best_by"):
        told.say(
            "note: held-out pictures chose the best epoch of this run; calibrated on them the promise is too bold"
        )
    return _stored(folder, plain, dataset, found)


def _stored(folder: Path, plain: Loaded, dataset: Dataset, found: Answered) -> Calibrated:
    index, _ = match_labels(plain.classes, dataset.classes)
    labels = index[dataset.labels[found.indices]]
    kept = labels < len(plain.classes)
    if found.known is not None:
        kept &= ~found.known
    if kept.sum() < FEWEST:
        raise UserError(
            f"calibration needs at least {FEWEST} pictures of known classes that did not train, got {int(kept.sum())} "
            f"of {len(kept)}; give others"
        )
    chosen = found.only(kept)
    rows, truth = chosen.probabilities, labels[kept]
    promising = _every_other(chosen.hashes)
    temperature, note = stored_temperature(rows[~promising], truth[~promising])
    after = tempered(rows, temperature)
    before, changed, judged = rows[promising], after[promising], truth[promising]
    result = Calibrated(
        run=str(folder),
        temperature=temperature,
        n_fit=int((~promising).sum()),
        n_promise=len(judged),
        left_out=int((~kept).sum()),
        nll=(log_loss(before, judged), log_loss(changed, judged)),
        ece=(reliability(before, judged).ece, reliability(changed, judged).ece),
        data=dataset.name,
        note=note,
    )
    contents = {row.tobytes().hex(): row for row in chosen.hashes}
    facts = {key: value for key, value in result.to_json().items() if key != "run"}
    scores = np.sort(nonconformity(after[promising], truth[promising]))
    calibrate_bundle(folder, {**facts, "fingerprint": digest(contents)}, Calibration(scores, chosen.hashes))
    return result


def _every_other(hashes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True for each second picture in the order of their contents, whatever order they come in: those of one half find
    the temperature, those of the other, which had no say in it, what can be promised."""
    order = np.lexsort(hashes.T[::-1])
    chosen = np.zeros(len(hashes), bool)
    chosen[order[1::2]] = True
    return chosen
