"""The flags of `train` that change a recipe or name a teacher: timm's names, torchvision's as aliases, most hidden."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from typer import Option

from neocog.errors import UserError


@dataclass(frozen=True)
class Flag:
    """A knob's spelling on the command line."""

    knob: str
    names: tuple[str, ...]
    kind: Any
    """bool makes a pair of flags, tuple a list of numbers joined by commas"""
    help: str
    common: bool = False
    """whether it is in --help, too"""


FLAGS = (
    Flag("epochs", ("--epochs",), int, "passes over the pictures (recipes that train all weights)", True),
    Flag("lr", ("--lr",), float, "highest learning rate", True),
    Flag("batch_size", ("-b", "--batch-size"), int, "pictures per pass, over all processes", True),
    Flag("accumulate", ("--grad-accum-steps",), int, "passes whose gradients make one step"),
    Flag("optimizer", ("--opt",), str, "sgd, nesterov, krizhevsky, rmsprop-tf, adam, adamw, lamb or sdlm"),
    Flag("momentum", ("--momentum",), float, "of sgd and its kin"),
    Flag("betas", ("--opt-betas",), tuple, "of adam and lamb, such as 0.9,0.999"),
    Flag("eps", ("--opt-eps",), float, "the optimizer's epsilon"),
    Flag("weight_decay", ("--weight-decay", "--wd"), float, "weight decay"),
    Flag("l2sp", ("--l2sp",), float, "pull of trained weights to where they began; --wd is the last layer's"),
    Flag("decay_all", ("--decay-all",), bool, "weight decay on biases and norms, too"),
    Flag("layer_decay", ("--layer-decay",), float, "factor of the rate from each block to the one before"),
    Flag("head_lr", ("--head-lr",), float, "factor of the rate for the last layer"),
    Flag("clip", ("--clip-grad", "--clip-grad-norm"), float, "largest norm of a gradient"),
    Flag(
        "schedule",
        ("--sched", "--lr-scheduler"),
        str,
        "constant, cosine, linear, step, exponential, plateau or one-cycle",
    ),
    Flag("warmup", ("--warmup",), float, "share of the run in which the rate rises"),
    Flag("warmup_epochs", ("--warmup-epochs", "--lr-warmup-epochs"), float, "the same in epochs"),
    Flag("min_lr", ("--min-lr", "--lr-min"), float, "where the rate ends"),
    Flag(
        "decay_milestones", ("--decay-milestones",), tuple, "epochs after which step cuts the rate: 30,60,90"
    ),
    Flag("factors", ("--decay-factors",), tuple, "of the rate after each milestone"),
    Flag("decay_rate", ("--decay-rate", "--dr", "--lr-gamma"), float, "factor of a cut of the rate"),
    Flag(
        "decay_epochs",
        ("--decay-epochs", "--lr-step-size"),
        float,
        "epochs between cuts, or that plateau waits",
    ),
    Flag("loss", ("--loss",), str, "cross-entropy, bce or lenet-map"),
    Flag(
        "smoothing",
        ("--smoothing", "--label-smoothing"),
        float,
        "share of the target spread over all classes",
    ),
    Flag("class_weights", ("--class-weights",), str, "none, auto, sqrt or a file with a weight per class"),
    Flag("balanced", ("--balanced",), bool, "draw every class equally often"),
    Flag("aux_weight", ("--aux-weight",), float, "what auxiliary heads count in the loss"),
    Flag(
        "augment",
        ("--augment",),
        str,
        "policy: none, digits, alexnet-2012, vgg-2014, deit, trivialaugment, ..",
    ),
    Flag("auto", ("--aa", "--auto-augment"), str, "automatic changes, such as rand-m9-n2-mstd0.5"),
    Flag("mixup", ("--mixup", "--mixup-alpha"), float, "alpha of mixup"),
    Flag("cutmix", ("--cutmix", "--cutmix-alpha"), float, "alpha of CutMix"),
    Flag("erasing", ("--reprob", "--random-erase"), float, "probability of a rectangle painted over"),
    Flag(
        "colour_jitter",
        ("--color-jitter",),
        float,
        "brightness, contrast and saturation, by up to this share",
    ),
    Flag("scale", ("--scale",), tuple, "share of its area that a random crop shows, such as 0.5,1"),
    Flag("flip", ("--flip",), bool, "mirror half of the pictures left to right"),
    Flag("vflip", ("--vflip",), bool, "mirror half of the pictures top to bottom"),
    Flag("shift", ("--shift",), float, "largest shift, as a share of the size"),
    Flag("repeats", ("--aug-repeats", "--ra-reps"), int, "how often an epoch shows each picture"),
    Flag("sizes", ("--sizes",), tuple, "progressive resizing: sides before the last part, such as 128,160"),
    Flag("dropout", ("--drop", "--dropout"), float, "probability of dropout layers"),
    Flag("drop_path", ("--drop-path",), float, "probability of leaving out a residual branch"),
    Flag("head_start", ("--head-start",), bool, "the last layer begins as the probe on the frozen network"),
    Flag(
        "keep_probe", ("--keep-probe",), bool, "take the probe where training does not lead to a better one"
    ),
    Flag("head_epochs", ("--head-epochs", "--freeze-epochs"), int, "first epochs, of the last layer alone"),
    Flag("unfreeze", ("--unfreeze",), float, "epochs from one block that begins to learn to the one before"),
    Flag("lora", ("--lora", "--lora-rank"), int, "rank of LoRA beside the attention's queries and values"),
    Flag("lora_alpha", ("--lora-alpha",), float, "what LoRA adds counts alpha / rank; the rank if not given"),
    Flag("lora_layers", ("--lora-layers",), list, "pattern of the linear layers of LoRA; repeat it"),
    Flag(
        "freeze",
        ("--freeze",),
        list,
        "pattern of parameters that stay as they are, such as 'layer1.*'; repeat it",
    ),
    Flag("freeze_bn", ("--freeze-bn",), bool, "batch norms stay as they are"),
    Flag("freeze_bn_stats", ("--freeze-bn-stats",), bool, "batch norms keep their statistics alone"),
    Flag("whiten", ("--whiten",), bool, "the first convolution whitens patches and stays so"),
    Flag("average", ("--average",), str, "none, ema, polyak or lookahead"),
    Flag(
        "average_decay",
        ("--model-ema-decay", "--ema-decay"),
        float,
        "share of the old average kept at a step",
    ),
    Flag("average_from", ("--average-from",), float, "share of the run after which averaging begins"),
    Flag("precise_bn", ("--precise-bn",), bool, "measure batch norm's statistics anew at the end"),
    Flag("flip_test", ("--flip-test",), bool, "average over a picture and its mirror image"),
    Flag(
        "best_by",
        ("--best-by", "--eval-metric"),
        str,
        "take the best epoch by loss, top1, top5, balanced, macro-f1, map",
    ),
    Flag("patience", ("--patience",), int, "epochs without a better figure after which training ends"),
    Flag("teacher", ("--teacher",), str, "a run that names the pictures of --unlabelled"),
    Flag("unlabelled", ("--unlabelled", "--unlabeled"), str, "pictures that --teacher names"),
    Flag("confidence", ("--confidence",), float, "what the teacher must exceed to be believed: 0.3"),
    Flag("per_class", ("--per-class",), int, "unlabelled pictures of each class; their mean if not given"),
)


@dataclass(frozen=True)
class Spelling:
    """A flag of timm or torchvision that says in its own way what a knob says here."""

    name: str
    kind: type
    """bool is a flag without a value"""
    knob: str
    value: Callable[[Any], Any]
    """of the knob, from what was given"""
    help: str

    @property
    def parameter(self) -> str:
        return self.name[2:].replace("-", "_")


def _half(share: float) -> bool:
    if share not in (0, 0.5):
        raise UserError(f"--hflip must be 0.5 or 0: half of the pictures are mirrored, or none, got {share}")
    return share > 0


def _undecayed(decay: float) -> bool:
    if decay:
        raise UserError(
            f"--norm-weight-decay must be 0, got {decay}; --decay-all gives norms and biases the decay of the weights"
        )
    return False


SPELLINGS = (
    Spelling("--model-ema", bool, "average", lambda _: "ema", "the same as --average ema"),
    Spelling("--bce-loss", bool, "loss", lambda _: "bce", "the same as --loss bce"),
    Spelling("--hflip", float, "flip", _half, "0.5 is --flip, 0 is --no-flip"),
    Spelling("--norm-weight-decay", float, "decay_all", _undecayed, "0 is --no-decay-all"),
)
VALUES = {"schedule": {"cosineannealinglr": "cosine"}}
"""torchvision's names of what is called otherwise here and does the same"""


def with_knobs(verb: Callable[..., None]) -> Callable[..., None]:
    """`verb`, whose `knobs` argument becomes a flag for each knob. It gets what was given as a mapping."""

    def run(**given: Any) -> None:
        knobs = {flag.knob: _value(flag, given.pop(flag.knob)) for flag in FLAGS}
        for other in SPELLINGS:
            _spelled(other, given.pop(other.parameter), knobs)
        verb(**given, knobs={name: value for name, value in knobs.items() if value not in (None, ())})

    own = [p for p in inspect.signature(verb, eval_str=True).parameters.values() if p.name != "knobs"]
    at = next((i for i, p in enumerate(own) if p.name == "seed"), len(own))
    flags = [*map(_parameter, FLAGS), *map(_other_parameter, SPELLINGS)]
    run.__signature__ = inspect.Signature([*own[:at], *flags, *own[at:]])  # type: ignore[attr-defined]
    run.__doc__, run.__name__ = verb.__doc__, verb.__name__
    return run


def _parameter(flag: Flag) -> inspect.Parameter:
    names = tuple(f"{name}/--no-{name[2:]}" for name in flag.names) if flag.kind is bool else flag.names
    kind: Any = {tuple: str, list: list[str]}.get(flag.kind, flag.kind)
    return _option(flag.knob, kind, Option(*names, help=flag.help, hidden=not flag.common))


def _other_parameter(other: Spelling) -> inspect.Parameter:
    return _option(other.parameter, other.kind, Option(other.name, help=other.help, hidden=True))


def _option(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind | None, option]
    )


def _spelled(other: Spelling, given: Any, knobs: dict[str, Any]) -> None:
    """Put what was given in another spelling among the knobs."""
    if given is None:
        return
    if knobs[other.knob] is not None:
        own = next(flag for flag in FLAGS if flag.knob == other.knob).names[0]
        raise UserError(f"give {other.name} or {own}, not both: they say the same")
    knobs[other.knob] = other.value(given)


def _value(flag: Flag, given: Any) -> Any:
    if flag.kind is not tuple or given is None:
        named = VALUES.get(flag.knob, {}).get(given, given) if isinstance(given, str) else given
        return tuple(named) if flag.kind is list and named else named
    try:
        numbers = tuple(float(part) for part in given.split(","))
    except ValueError as error:
        raise UserError(f"{flag.names[0]} must be numbers joined by commas, got {given!r}") from error
    return tuple(int(x) for x in numbers) if flag.knob == "sizes" else numbers
