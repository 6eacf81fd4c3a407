"""The same figures as torchmetrics, and ReaL's as timm where it is installed."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional import classification as theirs

from neocog.evaluation.calibration import reliability
from neocog.evaluation.metrics import score, topk
from neocog.evaluation.ranking import aurocs
from neocog.evaluation.several import score_several
from neocog.evaluation.truth import label_sets

CLASSES = 12
CLOSE = 2e-6  # torchmetrics adds up in float32

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> Case:
    rng = np.random.default_rng(request.param)
    probabilities = rng.dirichlet(np.full(CLASSES, 0.4), 700).astype(np.float32)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    guesses = rng.integers(0, CLASSES, 700)
    return probabilities, np.where(rng.random(700) < 0.6, probabilities.argmax(axis=1), guesses)


def tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(case[0]), torch.from_numpy(case[1])


@pytest.mark.parametrize("bins", [15, 7])
def test_calibration_errors_are_those_of_torchmetrics(case: Case, bins: int) -> None:
    got = reliability(*case, bins=bins)
    for norm, ours in (("l1", got.ece), ("max", got.mce)):
        expected = theirs.multiclass_calibration_error(*tensors(case), CLASSES, n_bins=bins, norm=norm)
        assert ours == pytest.approx(expected.item(), abs=1e-5)  # its bins' means are in float32


@pytest.mark.parametrize("k", [1, 2, 5])
def test_accuracy_is_that_of_torchmetrics(case: Case, k: int) -> None:
    expected = theirs.multiclass_accuracy(*tensors(case), CLASSES, top_k=k, average="micro")
    assert topk(*case, k) == pytest.approx(expected.item(), abs=CLOSE)


def test_means_over_classes_are_those_of_torchmetrics(case: Case) -> None:
    got = score(*case, tuple(map(str, range(CLASSES))))
    for ours, their in (
        (got.balanced, theirs.multiclass_accuracy),
        (got.macro_f1, theirs.multiclass_f1_score),
    ):
        assert ours == pytest.approx(their(*tensors(case), CLASSES, average="macro").item(), abs=CLOSE)


def test_areas_are_those_of_torchmetrics(case: Case) -> None:
    expected = theirs.multiclass_auroc(*tensors(case), CLASSES, average=None)
    np.testing.assert_allclose(aurocs(*case), expected, atol=CLOSE)


def test_figures_of_several_classes_are_those_of_torchmetrics(case: Case) -> None:
    probabilities, labels = case
    truth = np.eye(CLASSES, dtype=bool)[labels] | (np.random.default_rng(0).random((700, CLASSES)) < 0.2)
    got = score_several(probabilities, truth, tuple(map(str, range(CLASSES))))
    given = torch.from_numpy(probabilities), torch.from_numpy(truth).int()
    assert got.map == pytest.approx(theirs.multilabel_average_precision(*given, CLASSES).item(), abs=CLOSE)
    assert got.auroc == pytest.approx(theirs.multilabel_auroc(*given, CLASSES).item(), abs=CLOSE)
    assert got.micro_f1 == pytest.approx(
        theirs.multilabel_f1_score(*given, CLASSES, average="micro").item(), abs=CLOSE
    )


@pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
def test_real_labels_are_those_of_timm() -> None:
    import timm.data
    from timm.data.real_labels import RealLabelsImagenet

    stored = json.loads((Path(timm.data.__file__).parent / "_info/imagenet_real_labels.json").read_text())
    names = [f"ILSVRC2012_val_{i + 1:08d}.JPEG" for i in range(50_000)]
    classes = tuple(map(str, range(1000)))
    rng = np.random.default_rng(0)
    probabilities = rng.random((50_000, 1000), np.float32)
    often = np.flatnonzero(rng.random(50_000) < 0.7)
    aims = [stored[i][-1] if stored[i] else 0 for i in often]
    probabilities[often, aims] += rng.random(len(often), np.float32)
    expected = RealLabelsImagenet(names)
    expected.add_result(torch.from_numpy(probabilities))

    shuffled = rng.permutation(50_000)
    truth = label_sets(stored, [f"folder/{names[i]}" for i in shuffled], classes)
    labels = truth.labels(probabilities[shuffled])[truth.scored]
    assert (truth.scored.sum(), truth.excluded) == (46_837, 3_163)  # Beyer et al. 2020
    answered = probabilities[shuffled][truth.scored]
    for k in (1, 5):
        assert 100 * topk(answered, labels, k) == pytest.approx(expected.get_accuracy(k), abs=1e-9)
