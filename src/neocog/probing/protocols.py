"""How papers judge features: how many pictures train, which judge, what is reported. Each with its source."""

from __future__ import annotations

from dataclasses import dataclass

DECAF = "Donahue and others 2014, DeCAF"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a paper does with a data set."""

    name: str
    words: str
    source: str
    """paper and section"""
    data: str
    """the data set, as it is named where its layout is recognised; empty where any will do"""
    classes: tuple[int, ...]
    """how many it has, or each of several data sets"""
    per_class: int | None = None
    """pictures of each class that train, drawn anew for each split; None where the parts of the data say which"""
    most: int | None = None
    """pictures of a class that judge, at most; None for all others"""
    splits: int = 1
    validation: int | None = None
    """of the training pictures of each class, how many choose the strength; None for cross-validation, or the part
    val of the data"""
    published: int = 0
    """of the data's own splits, how many are taken, where it comes with such: instead of drawn ones"""
    sizes: tuple[int, int] | None = None
    """pictures in the parts train and val, where the protocol fixes them"""
    box: float | None = None
    """pictures are cut to their box, this many times as wide and as high"""
    kinds: tuple[str, ...] = ("logreg", "svm")
    figure: str = "balanced"
    """what is reported: balanced, the mean per-class accuracy, or top1"""


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="decaf-caltech101",
            words="30 pictures of each class train, all others judge, 5 random splits; C chosen on 5 of the 30",
            source=f"{DECAF}, section 4.1 and table 1",
            data="caltech-101",
            classes=(101, 102),
            per_class=30,
            splits=5,
            validation=5,
            kinds=("logreg", "logreg-dropout", "svm", "svm-dropout"),
        ),
        Protocol(
            name="decaf-sun397",
            words="50 pictures of each class train and 50 others judge, 5 splits: the published ones, where they "
            "lie beside the pictures",
            source=f"{DECAF}, section 4.4; Xiao and others 2010, section 3.2",
            data="sun-397",
            classes=(397,),
            per_class=50,
            most=50,
            splits=5,
            published=5,
            figure="top1",
        ),
        Protocol(
            name="decaf-cub",
            words="the published parts train and judge; pictures are cut to 1.5 times their box",
            source=f"{DECAF}, section 4.3",
            data="cub-200-2011",
            classes=(200,),
            box=1.5,
            kinds=("logreg",),
            figure="top1",
        ),
        Protocol(
            name="office31",
            words="3 pictures of each class of one domain train and all others of it judge, 5 random splits: the "
            "rows `T` of the papers; those with a source domain are neocog adapt's",
            source=f"Saenko and others 2010, section 5; {DECAF}, section 4.2",
            data="office-31",
            classes=(31,),
            per_class=3,
            splits=5,
            figure="top1",
        ),
        Protocol(
            name="vtab1k",
            words="800 pictures train and 200 choose the strength, then all 1,000 train; the whole test part judges",
            source="Zhai and others 2019, A large-scale study of representation learning (VTAB), section 3.2",
            data="",
            classes=(2, 4, 5, 6, 8, 9, 10, 16, 18, 37, 45, 47, 100, 102, 397),
            sizes=(800, 200),
            kinds=("logreg",),
            figure="top1",
        ),
    )
}
VTAB = {
    "natural": ("caltech101", "cifar-100", "dtd", "flowers102", "pets", "svhn", "sun397"),
    "specialized": ("patch-camelyon", "eurosat", "resisc45", "diabetic-retinopathy"),
    "structured": (
        "clevr-count",
        "clevr-distance",
        "dmlab",
        "kitti-distance",
        "dsprites-location",
        "dsprites-orientation",
        "smallnorb-azimuth",
        "smallnorb-elevation",
    ),
}
"""the 19 tasks by group; the score is the unweighted mean of their top-1 accuracies"""
