"""Everything a training run can be told, with what each number does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from neocog.data.augment.policy import Augment
from neocog.errors import UserError, unknown

OPTIMIZERS = ("sgd", "nesterov", "krizhevsky", "rmsprop-tf", "adam", "adamw", "lamb", "sdlm")
SCHEDULES = ("constant", "cosine", "linear", "step", "exponential", "plateau", "one-cycle")
LOSSES = ("cross-entropy", "bce", "lenet-map")
AVERAGES = ("none", "ema", "polyak", "lookahead")
OF_ONE = ("loss", "top1", "top5", "balanced", "macro-f1")
OF_SEVERAL = ("loss", "map", "micro-f1", "macro-f1", "exact")
METRICS = tuple(dict.fromkeys(OF_ONE + OF_SEVERAL))
WEIGHTINGS = ("none", "auto", "sqrt")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network's weights are found. Variants by `dataclasses.replace`.

    Shares are of all steps of the run, so that a recipe can be made longer or shorter by `epochs` alone.
    """

    epochs: int = 20
    """passes over the training pictures"""
    batch_size: int = 64
    """pictures of one forward pass, over all processes"""
    accumulate: int = 1
    """passes whose gradients are added up for one step"""

    optimizer: str = "adamw"
    """sgd, nesterov, krizhevsky (the rate inside the velocity, 2012), rmsprop-tf, adam, adamw, lamb, sdlm (1998)"""
    lr: float = 0.005
    """highest learning rate"""
    momentum: float = 0.9
    """of SGD, RMSProp and their kin; `one-cycle` moves it from .95 to .85 and back"""
    betas: tuple[float, float] = (0.9, 0.999)
    """of Adam and LAMB; the second is RMSProp's decay of squared gradients"""
    eps: float | None = None
    """keeps divisions by small gradients bounded; the optimizer's usual one where None"""
    weight_decay: float = 0.02
    """decoupled from the gradient in AdamW and LAMB, added to it in the others"""
    l2sp: float = 0.0
    """pull of the trained weights towards where they began; `weight_decay` is then for the last layer alone"""
    decay_all: bool = False
    """weight decay on biases and on what norms learn, too; else on weights alone"""
    layer_decay: float = 1.0
    """factor of the rate from each block to the one before it"""
    head_lr: float = 1.0
    """factor of the rate for the last layer"""
    clip: float | None = None
    """largest norm of the gradient of a step"""

    schedule: str = "cosine"
    """constant, cosine, linear, step, exponential, plateau or one-cycle: the rate after the warm-up"""
    warmup: float = 0.1
    """share of all steps in which the rate rises linearly"""
    min_lr: float = 0.0
    """where cosine, linear and plateau end"""
    milestones: tuple[float, ...] = ()
    """shares of all steps after which `step` multiplies the rate by `decay_rate`"""
    factors: tuple[float, ...] = ()
    """of the rate after each milestone, in place of powers of `decay_rate`"""
    decay_rate: float = 0.1
    """of `step`, `exponential` and `plateau`"""
    decay_epochs: float = 1.0
    """epochs from one multiplication of `exponential` to the next; epochs that `plateau` waits"""

    loss: str = "cross-entropy"
    """cross-entropy, bce (a yes or no per class) or lenet-map (LeCun et al. 1998, eq. 9, on RBF outputs)"""
    smoothing: float = 0.0
    """share of the target spread over all classes"""
    class_weights: str | tuple[float, ...] = "none"
    """what a picture counts by its class: none, auto (inversely to the class's size), sqrt (its root), or numbers"""
    balanced: bool = False
    """draw pictures with replacement, every class equally often"""
    aux_weight: float = 0.0
    """what each auxiliary head counts in the loss, where a network has any; without it none is built"""

    augment: Augment = field(default_factory=lambda: Augment(shift=0.06))
    """random changes of the training pictures; mixup and cutmix among them"""
    repeats: int = 1
    """how often an epoch shows each picture"""
    sizes: tuple[int, ...] = ()
    """progressive resizing: sides of the pictures in equal parts of the run, before a last part at full size"""

    dropout: float | None = None
    """probability of the network's dropout layers; as built where None"""
    drop_path: float | None = None
    """probability at the last block of leaving a residual branch out, rising linearly from 0; as built where None"""
    head_start: bool = False
    """`train` begins with the logistic regression of the frozen network's features (recipe `probe`) as last layer"""
    keep_probe: bool = False
    """`train` ends with that beginning where it names more held-out pictures right than the trained network"""
    head_epochs: int = 0
    """first epochs, in which the last layer learns alone"""
    unfreeze: float = 0.0
    """epochs from the last layer to the block before it, and from each block to the next; 0 for all at once"""
    lora: int = 0
    """rank of what is learned beside linear layers, which stay as they are themselves (LoRA); 0 for none"""
    lora_alpha: float | None = None
    """what LoRA adds is multiplied by this, divided by the rank; the rank itself where None"""
    lora_layers: tuple[str, ...] = ()
    """patterns of the linear layers that LoRA stands beside; the queries and values of all attention where empty"""
    freeze: tuple[str, ...] = ()
    """patterns such as `stem.*` of parameters that stay as they are"""
    freeze_bn: bool = False
    """batch norms stay as they are: running statistics, scale and shift"""
    freeze_bn_stats: bool = False
    """batch norms use their running statistics and keep them, while scale and shift learn"""
    whiten: bool = False
    """the first convolution is set to whiten patches of the training pictures and stays so"""

    average: str = "none"
    """none, ema (of the weights, exponential), polyak (plain mean from `average_from` on) or lookahead"""
    average_decay: float = 0.9998
    """share of the old average that `ema` keeps at a step; of the slow weights that `lookahead` keeps"""
    average_from: float = 0.0
    """share of all steps before which `ema` and `polyak` follow the weights"""
    precise_bn: bool = False
    """batch norm's running statistics are measured anew by true averages after the last epoch"""
    flip_test: bool = False
    """a picture's logits are the mean over it and its mirror image"""

    best_by: str | None = None
    """the figure of held-out pictures by which the best epoch's weights are taken, not the last's: loss, top1, top5,
    balanced or macro-f1; where pictures show several classes loss, map, micro-f1, macro-f1 or exact"""
    patience: int | None = None
    """epochs without a better `best_by` after which training ends"""

    @property
    def gradual(self) -> bool:
        """Whether some of the network waits before it learns."""
        return bool(self.head_epochs or self.unfreeze)

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            given = getattr(self, name)
            if isinstance(given, str) and given not in known:
                raise unknown(name, given, known, ELSEWHERE.get(name))
        for name, (rule, holds) in RULES.items():
            given = getattr(self, name)
            if given is not None and not holds(given):
                raise UserError(f"{name} must {rule}, got {_shown(given)}")
        for clash, words in CLASHES:
            if clash(self):
                raise UserError(words)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _rising(shares: tuple[float, ...]) -> bool:
    return all(0 < share < 1 for share in shares) and list(shares) == sorted(set(shares))


CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "average": AVERAGES,
    "best_by": METRICS,
    "class_weights": WEIGHTINGS,
}
ELSEWHERE: dict[str, dict[str, tuple[str, ...]]] = {
    "optimizer": {"sgd_nesterov": ("nesterov",), "nag": ("nesterov",), "rmsprop": ("rmsprop-tf",)},
    "schedule": {
        "steplr": ("exponential",),  # which cuts the rate every `decay_epochs`
        "exponentiallr": ("exponential",),
        "multistep": ("step",),
        "onecyclelr": ("one-cycle",),
    },
    "loss": {"ce": ("cross-entropy",), "binary": ("bce",)},
    "average": {"swa": ("polyak",), "mean": ("polyak",)},
    "best_by": {
        **dict.fromkeys(("acc", "acc1", "accuracy", "val_acc"), ("top1",)),
        **dict.fromkeys(("acc5", "top5_accuracy"), ("top5",)),
        **dict.fromkeys(("f1", "f1_score"), ("macro-f1", "micro-f1")),
        **dict.fromkeys(("val_loss", "eval_loss"), ("loss",)),
        **dict.fromkeys(("balanced_accuracy", "balanced-accuracy", "bacc"), ("balanced",)),
        "ap": ("map",),
    },
}
"""what timm, torchvision, Keras and scikit-learn call them, with our names"""
Rule = tuple[str, Callable[[Any], bool]]
FROM_1: Rule = "be at least 1", lambda n: n >= 1
FROM_0: Rule = "be at least 0", lambda x: 0 <= x < float("inf")
ABOVE_0: Rule = "be above 0", lambda x: 0 < x < float("inf")
BELOW_1: Rule = "lie in 0..1, below 1", lambda x: 0 <= x < 1
SHARE: Rule = "lie in 0..1", lambda x: 0 <= x <= 1
RULES: dict[str, Rule] = {
    **dict.fromkeys(("epochs", "batch_size", "accumulate", "repeats", "patience"), FROM_1),
    **dict.fromkeys(("weight_decay", "head_lr", "min_lr", "aux_weight"), FROM_0),
    **dict.fromkeys(("l2sp", "head_epochs", "unfreeze", "lora"), FROM_0),
    **dict.fromkeys(("lr", "eps", "clip", "decay_epochs", "lora_alpha"), ABOVE_0),
    **dict.fromkeys(("momentum", "warmup", "smoothing", "dropout", "drop_path", "average_from"), BELOW_1),
    "betas": (
        "be two numbers in 0..1, below 1",
        lambda pair: len(pair) == 2 and all(0 <= beta < 1 for beta in pair),
    ),
    "layer_decay": ("lie above 0, at most 1", lambda x: 0 < x <= 1),
    "decay_rate": ("lie above 0, at most 1", lambda x: 0 < x <= 1),
    "average_decay": SHARE,
    "milestones": ("rise between 0 and 1", _rising),
    "factors": ("be above 0", lambda factors: all(factor > 0 for factor in factors)),
    "sizes": ("be at least 1", lambda sizes: all(size >= 1 for size in sizes)),
    "class_weights": (
        "be above 0",
        lambda weights: isinstance(weights, str) or all(0 < w < float("inf") for w in weights),
    ),
}
CLASHES: tuple[tuple[Callable[[Recipe], Any], str], ...] = (
    (
        lambda r: r.factors and len(r.factors) != len(r.milestones),
        "there must be a factor for each milestone of the schedule",
    ),
    (
        lambda r: r.schedule == "step" and not r.milestones,
        "the schedule step needs milestones: shares of the run, such as 0.3 0.6 0.9",
    ),
    (
        lambda r: r.sizes and len(r.sizes) >= r.epochs,
        "progressive resizing needs an epoch for each of its sizes and one at full size; "
        "give fewer sizes or more epochs",
    ),
    (
        lambda r: r.freeze_bn and r.precise_bn,
        "freeze_bn keeps batch norm's statistics and precise_bn measures them anew; give one of them",
    ),
    (
        lambda r: r.freeze_bn and r.freeze_bn_stats,
        "freeze_bn keeps batch norm's statistics, too; leave it out (--no-freeze-bn) for scale and shift to learn",
    ),
    (
        lambda r: r.freeze_bn_stats and r.precise_bn,
        "freeze_bn_stats keeps batch norm's statistics and precise_bn measures them anew; give one of them",
    ),
    (
        lambda r: r.head_start and r.whiten,
        "head_start reads the features of the first weights and whiten exchanges the first layer; give one of them",
    ),
    (
        lambda r: r.head_start and r.loss == "lenet-map",
        "head_start is a logistic regression, whose outputs are not the distances that lenet-map reads; "
        "give one of them",
    ),
    (
        lambda r: max(r.head_epochs, r.unfreeze) >= r.epochs,
        "the last layer would learn alone to the end, which the recipe probe does better; "
        "give fewer head_epochs, a smaller unfreeze or more epochs",
    ),
    (
        lambda r: r.lora and r.l2sp,
        "lora keeps the trained weights as they are, and l2sp pulls them back; give one of them",
    ),
    (
        lambda r: r.lora and r.whiten,
        "lora keeps the trained weights as they are, and whiten exchanges the first; give one of them",
    ),
    (lambda r: r.patience and not r.best_by, "patience needs a best_by: the figure that has to get better"),
    (
        lambda r: r.min_lr > r.lr,
        "min_lr must not be above lr: the rate falls towards it",
    ),
    (
        lambda r: r.class_weights != "none" and r.balanced,
        "class_weights and balanced do the same thing twice; give one of them",
    ),
    (
        lambda r: r.average == "lookahead" and r.average_decay > 0.9,
        "lookahead needs an average_decay of at most 0.9 (0.5 is usual): it hardly moves the weights above",
    ),
    (
        lambda r: r.loss == "lenet-map" and (r.augment.mixup or r.augment.cutmix or r.smoothing),
        "the loss lenet-map needs one class per picture; leave out smoothing, mixup and cutmix",
    ),
)
"""what must not come together, and what to say then"""
