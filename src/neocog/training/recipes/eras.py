"""The recipes of well-known papers, for the networks that they introduced. Sources: docs/recipes.md."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from neocog.data.augment.policy import POLICIES, Augment, RandomCrop, ScaleJitter
from neocog.errors import UserError
from neocog.training.recipes.recipe import Recipe

IMAGENET = 1_281_167  # training pictures, by which schedules given in steps become epochs
CROPS = Augment(crop=RandomCrop(), flip=True)

SGD = Recipe(
    optimizer="sgd",
    momentum=0.9,
    lr=0.1,
    weight_decay=1e-4,
    schedule="plateau",
    warmup=0.0,
    augment=Augment(),
)
"""what most papers until 2015 have in common"""

LENET = replace(
    SGD, epochs=20, batch_size=1, optimizer="sdlm", lr=5e-4, momentum=0.0, weight_decay=0.0, loss="lenet-map",
    schedule="step", milestones=(0.1, 0.25, 0.4, 0.6), factors=(0.4, 0.2, 0.1, 0.02),
)  # fmt: skip
ALEXNET = replace(
    SGD, epochs=90, batch_size=128, optimizer="krizhevsky", lr=0.01, weight_decay=5e-4, decay_all=True,
    schedule="step", milestones=(20 / 90, 40 / 90, 60 / 90), augment=POLICIES["alexnet-2012"],
)  # fmt: skip
VGG = replace(
    SGD, epochs=74, batch_size=256, lr=0.01, weight_decay=5e-4, min_lr=1e-5, decay_epochs=5.0,
    augment=POLICIES["vgg-2014"],
)  # fmt: skip
GOOGLENET = replace(
    SGD, epochs=250, batch_size=32, lr=0.01, weight_decay=2e-4, schedule="exponential", decay_rate=0.96,
    decay_epochs=8.0, aux_weight=0.3, average="polyak", average_from=0.9, augment=POLICIES["inception-2014"],
)  # fmt: skip
RESNET = replace(
    SGD, epochs=120, batch_size=256, min_lr=1e-4, decay_epochs=5.0, augment=POLICIES["resnet-2015"]
)
RESNET_CIFAR = replace(
    SGD, epochs=182, batch_size=128, schedule="step", milestones=(0.5, 0.75), augment=POLICIES["resnet-cifar"]
)
EFFICIENTNET = Recipe(
    epochs=350, batch_size=4096, optimizer="rmsprop-tf", lr=0.256, betas=(0.9, 0.9), eps=1e-3, weight_decay=1e-5,
    schedule="exponential", decay_rate=0.97, decay_epochs=2.4, warmup=5 / 350, smoothing=0.1, drop_path=0.2,
    average="ema", average_decay=0.9999, augment=POLICIES["randaugment"],
)  # fmt: skip
NOISY_STUDENT = replace(
    EFFICIENTNET, batch_size=2048, lr=0.128, smoothing=0.0, dropout=0.5,
    augment=replace(CROPS, auto="randaugment-m27-n2"),
)  # fmt: skip
VIT = Recipe(
    epochs=300, batch_size=4096, optimizer="adamw", lr=3e-3, weight_decay=0.3, schedule="cosine",
    warmup=10_000 / (300 * ceil(IMAGENET / 4096)), clip=1.0, dropout=0.1, augment=CROPS,
)  # fmt: skip
VIT_FINETUNE = replace(
    VIT, epochs=8, batch_size=512, optimizer="sgd", lr=0.03, weight_decay=0.0, warmup=500 / 20_000, dropout=None,
    average="ema", average_decay=0.9999,
)  # fmt: skip
DEIT = Recipe(
    epochs=100, repeats=3, batch_size=1024, optimizer="adamw", lr=1e-3, weight_decay=0.05, schedule="cosine",
    warmup=5 / 300, min_lr=1e-5, smoothing=0.1, drop_path=0.1, augment=POLICIES["deit"],
)  # fmt: skip
RSB_A3 = Recipe(
    epochs=100, batch_size=2048, optimizer="lamb", lr=8e-3, weight_decay=0.02, clip=1.0, schedule="cosine",
    warmup=5 / 100, min_lr=1e-6, loss="bce",
    augment=replace(CROPS, auto="rand-m6-n2-mstd0.5-inc1", mixup=0.1, cutmix=1.0),
)  # fmt: skip
RSB_A2 = replace(
    RSB_A3, lr=5e-3, repeats=3, warmup=5 / 300, drop_path=0.05,
    augment=replace(RSB_A3.augment, auto="rand-m7-n2-mstd0.5-inc1"),
)  # fmt: skip
RSB_A1 = replace(
    RSB_A2,
    epochs=200,
    weight_decay=0.01,
    warmup=5 / 600,
    smoothing=0.1,
    augment=replace(RSB_A2.augment, mixup=0.2),
)

SMALL, LARGE = 20_000, 500_000  # pictures: bounds of the HyperRule's three kinds of task
BIT_BATCH = 512


def bit_hyperrule(pictures: int, size: int) -> tuple[Recipe, int]:
    """How BiT is fine-tuned on `pictures` training pictures of about `size` pixels a side, and the side it then reads.

    Kolesnikov et al., "Big transfer" (2020), section 3.3: 500, 10,000 or 20,000 steps by the size of the task; mixup
    unless it is small; pictures under 96x96 become 160x160 and others 448x448, of which crops of 128x128 and 384x384
    are read. Steps become whole epochs.
    """
    for name, given in (("pictures", pictures), ("size", size)):
        if given < 1:
            raise UserError(f"{name} must be at least 1, got {given}")
    steps = 500 if pictures < SMALL else 10_000 if pictures < LARGE else 20_000
    resized, side = (160, 128) if size < 96 else (448, 384)
    recipe = replace(
        SGD, epochs=max(1, round(steps / ceil(pictures / BIT_BATCH))), batch_size=BIT_BATCH, lr=0.003,
        weight_decay=0.0, schedule="step", milestones=(0.3, 0.6, 0.9), warmup=min(500, steps // 5) / steps,
        augment=Augment(
            crop=ScaleJitter(resized / side, resized / side), flip=True, mixup=0.0 if pictures < SMALL else 0.1
        ),
    )  # fmt: skip
    return recipe, side


ERAS = {
    "lenet-1998": LENET,
    "alexnet-2012": ALEXNET,
    "vgg-2014": VGG,
    "googlenet-2014": GOOGLENET,
    "resnet-2015": RESNET,
    "resnet-cifar": RESNET_CIFAR,
    "efficientnet-2019": EFFICIENTNET,
    "noisy-student": NOISY_STUDENT,
    "vit-2021": VIT,
    "vit-finetune": VIT_FINETUNE,
    "deit": DEIT,
    "rsb-a1": RSB_A1,
    "rsb-a2": RSB_A2,
    "rsb-a3": RSB_A3,
    "bit-hyperrule": bit_hyperrule(SMALL - 1, 224)[0],
}
"""by name; `bit-hyperrule` is that of a task of nearly 20,000 pictures, until the data are known"""
