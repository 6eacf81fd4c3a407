"""LeNet-5 exactly as in its paper beside support vector machines on the same digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neocog.classical.pixels import Kernel, pixel_svm
from neocog.data.augment.policy import Augment
from neocog.experiments.training.arm import recorded
from neocog.experiments.training.fit import fit, initialised
from neocog.experiments.training.pictures import Pictures, handwritten
from neocog.experiments.training.scale import Scale
from neocog.experiments.training.study import Arm, Contrast, Record, Study
from neocog.models.lenet import lenet5
from neocog.training.recipes.recipe import Recipe

RECIPE = Recipe(
    batch_size=16,
    optimizer="sgd",
    lr=0.002,
    momentum=0.9,
    weight_decay=0.0,
    schedule="cosine",
    warmup=0.0,
    loss="lenet-map",
    augment=Augment(),
)
"""the paper's loss (equation 9); SGD with momentum in place of its stochastic diagonal Levenberg-Marquardt"""
PRINTED = {
    "linear classifier": "12.0",
    "K nearest neighbours, Euclidean": "5.0",
    "1,000 RBF units, linear classifier": "3.6",
    "SVM, polynomial of degree 4 (deslanted)": "1.1",
    "LeNet-5": "0.95",
    "virtual SVM, polynomial of degree 9 (distorted)": "0.8",
    "LeNet-5 (distorted)": "0.8",
    "boosted LeNet-4 (distorted)": "0.7",
}
"""test errors on MNIST in percent, with 60,000 training pictures: LeCun et al. 1998, figure 9"""


def arms(scale: Scale) -> dict[str, Arm]:
    def network(pictures: Pictures, seed: int) -> Record:
        net = initialised(lenet5, seed)
        return recorded(net, fit(net, pictures, replace(RECIPE, epochs=scale.epochs), seed))

    return {"LeNet-5": network, "linear SVM": _machine("linear"), "RBF SVM": _machine("rbf")}


def _machine(kernel: Kernel) -> Arm:
    def arm(pictures: Pictures, seed: int) -> Record:
        train, test = pictures.train, pictures.test
        pixels, unseen = np.asarray(train.pixels), np.asarray(test.pixels)
        machine = pixel_svm(kernel).fit(pixels, train.labels)
        right = {
            "train error": float((machine.predict(pixels) != train.labels).mean()),
            "test error": float((machine.predict(unseen) != test.labels).mean()),
        }
        return Record(right | {"test − train error": right["test error"] - right["train error"]})

    return arm


STUDY = Study(
    name="lenet-1998",
    title="LeNet-5 beside support vector machines",
    says="“Compare: digit classification using SVMs”; LeNet-5 was “trained on MNIST digit dataset with 60K training "
    "examples”.",
    source="LeCun, Bottou, Bengio and Haffner 1998, figure 9, test errors in percent with 60,000 training digits: "
    + ", ".join(f"{name} {error}" for name, error in PRINTED.items())
    + ".",
    setup="The exact network (60,000 parameters: C3 by its table, trainable subsampling, RBF output) with the paper's "
    "loss and first weights, but SGD with momentum; support vector machines on the pixels of the same digits, one "
    "class against another.",
    arms=arms,
    contrasts=(
        Contrast(
            claim="LeNet-5 makes fewer errors than a linear SVM",
            lower=("LeNet-5", "test error"),
            higher=("linear SVM", "test error"),
        ),
        Contrast(
            claim="LeNet-5 makes fewer errors than an SVM with a kernel",
            lower=("LeNet-5", "test error"),
            higher=("RBF SVM", "test error"),
        ),
    ),
    pictures=handwritten,
    scales={
        "minutes": Scale(train=4000, test=1000, epochs=20, seeds=3),
        "hour": Scale(train=20_000, test=10_000, epochs=20, seeds=3),
        "full": Scale(train=60_000, test=10_000, epochs=20, seeds=3),
    },
    remark="With fewer training digits than the paper's 60,000 every error is larger than printed there; what can be "
    "compared is their order.",
)
