"""Sets neocog's networks beside torchvision's and timm's: are they equal, and which are faster?

benchmarks/README.md says what each line means, and which Python runs this: one with torchvision and timm.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from child import run
from model_pairs import Pair, pairs, pictures, twins
from record import RESULTS, Figure, Record, machine
from torch import Tensor, nn

import neocog.models
from neocog.models import MODELS

ROOT = Path(__file__).parents[1]
LARGE = 400e6  # parameters from which on a network is compared only on request
# pictures of 800 pixels would take minutes; the net reads any size
SIZES = {"efficientnet_l2": (3, 475, 475)}
TIMED = (  # one of each kind
    *("torchvision/alexnet", "torchvision/vgg11", "torchvision/vgg16_bn", "torchvision/googlenet"),
    *("torchvision/resnet18", "torchvision/resnet50", "timm/resnet50", "timm/resnetv2_50x1_bit"),
    *("torchvision/efficientnet_b0", "timm/tf_efficientnet_b0", "timm/tf_efficientnet_lite0"),
    *(
        "timm/vit_tiny_patch16_224",
        "torchvision/vit_b_32",
        "torchvision/vit_b_16",
        "timm/vit_base_patch16_224",
    ),
)
# what is timed, what has happened before, what it is to stay below; each in a fresh process
STARTS = {
    "import neocog, before torch": ("", "import neocog", ""),
    "import neocog, after torch": ("import torch", "import neocog", "< 0.3 seconds"),
    "import neocog.models, after torch": ("import torch", "import neocog.models", "< 0.3 seconds"),
    "import torchvision.models, after torch": ("import torch", "import torchvision.models", ""),
    "import timm, after torch": ("import torch", "import timm", ""),
    **{
        f"{name}'s ViT-H/14 on meta": (
            f"import torch, {module}",
            f"with torch.device('meta'):\n    {module}.{call}",
            "< 0.5 seconds" if name == "neocog" else "",
        )
        for name, module, call in (
            ("neocog", "neocog.models", "build('vit_huge_patch14_224')"),
            ("torchvision", "torchvision.models", "vit_h_14()"),
            ("timm", "timm", "create_model('vit_huge_patch14_224', num_classes=1000)"),
        )
    },
}


@dataclass(frozen=True)
class Bench:
    """Which networks are measured, how, and where the figures go."""

    record: Record
    wanted: tuple[str, ...]
    """names of networks; none for those that each measurement chooses"""
    large: bool
    rounds: int
    seconds: float
    """that each side of a round lasts at least"""

    def chosen(self, otherwise: Callable[[Pair], bool]) -> list[Pair]:
        """The pairs asked for, or else those for which `otherwise` holds."""
        if self.wanted:
            return [
                pair for pair in pairs() if {pair.ours, f"{pair.library}/{pair.theirs}"} & set(self.wanted)
            ]
        return [pair for pair in pairs() if otherwise(pair)]


@torch.no_grad()
def equality(bench: Bench) -> None:
    """The same weights and pictures in both: how far apart are the logits?"""
    for pair in bench.chosen(lambda pair: bench.large or parameters(pair.ours) < LARGE):
        size = SIZES.get(pair.ours, MODELS[pair.ours].input_size)
        x = pictures(2, size)
        ours, theirs = twins(pair, x)
        logits = theirs(x)
        facts: dict[str, object] = {
            "pixels": size[1],
            "logits_std": f"{float(logits.std()):.3g}",
            "seen": f"{float((logits[0] - logits[1]).std() / logits.std()):.2g}",
        }
        difference = apart(ours(x), logits)
        if difference:  # is it rounding?
            x = x.double()
            exact = ours.double()(x)
            ours.to("meta")  # the largest would not fit twice
            facts["in_float64"] = f"{apart(exact, theirs.double()(x)):.2g}"
        figure = Figure(
            bench="model_equality",
            what=pair.name,
            unit="difference",
            values=(difference,),
            goal="0, or <= 1e-10 in float64",
            facts=facts,
            versions=versions(),
        )
        bench.record.write(figure)
        del ours, theirs
        gc.collect()


def apart(mine: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors, in standard deviations of the second."""
    return float((mine - other).abs().max() / other.std())


@torch.no_grad()
def speed(bench: Bench) -> None:
    """Seconds of a forward in evaluation mode, ours and theirs in turn, batches of 1 and 8."""
    for pair in bench.chosen(lambda pair: f"{pair.library}/{pair.theirs}" in TIMED):
        many = pictures(8, MODELS[pair.ours].input_size)
        ours, theirs = twins(pair, many[:2])
        for batch in (1, 8):
            x = many[:batch]
            mine, other = in_turn(ours, theirs, x, bench.rounds, bench.seconds)
            figure = Figure(
                bench="model_speed",
                what=f"{pair.name}, batch {batch}",
                unit="seconds",
                values=tuple(mine),
                ratios=tuple(b / a for a, b in zip(mine, other, strict=True)),
                goal="ratio >= 1",
                facts={"pixels": x.shape[-1], "theirs_seconds": f"{statistics.median(other):.4g}"},
                versions=versions(),
            )
            bench.record.write(figure)
        del ours, theirs
        gc.collect()


def in_turn(
    ours: nn.Module, theirs: nn.Module, x: Tensor, rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Seconds per forward of each round. Who comes first changes from round to round; one round warms up."""
    mine: list[float] = []
    other: list[float] = []
    for turn in range(rounds + 1):
        sides = [(ours, mine), (theirs, other)]
        for net, kept in sides if turn % 2 else reversed(sides):
            taken = forward_seconds(net, x, seconds)
            if turn:
                kept.append(taken)
    return mine, other


def forward_seconds(net: nn.Module, x: Tensor, seconds: float) -> float:
    """Mean of as many forwards as `seconds` hold, at least two."""
    start, count = perf_counter(), 0
    while count < 2 or perf_counter() - start < seconds:
        net(x)
        count += 1
    return (perf_counter() - start) / count


def start(bench: Bench) -> None:
    """What importing and building cost beyond torch."""
    times: dict[str, list[float]] = {what: [] for what in STARTS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(bench.rounds):
            for what, (before, timed, _) in STARTS.items():
                program = f"from time import perf_counter\n{before}\nstart = perf_counter()\n{timed}\n"
                program += "print(perf_counter() - start)"
                source = {"PYTHONPATH": str(Path(neocog.models.__file__).parents[2])}
                done = run([sys.executable, "-c", program], Path(folder), source)
                times[what].append(float(done.out.splitlines()[-1]))
    for what, (_, _, goal) in STARTS.items():
        figure = Figure(
            bench="model_start",
            what=what,
            unit="seconds",
            values=tuple(times[what]),
            goal=goal,
            versions=versions(),
        )
        bench.record.write(figure)


def parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in neocog.models.build(name).parameters())


def versions() -> dict[str, str]:
    """Of what runs here, neocog from its source."""
    import timm
    import torchvision

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {
        "neocog": project["version"],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
        "python": platform.python_version(),
    }


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {work.__name__: work for work in (equality, speed, start)}


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    torch.set_num_threads(given.threads)
    place = Path(tempfile.mkdtemp()) if given.quick else RESULTS
    bench = Bench(
        record=Record(place / f"{machine()}-models.csv"),
        wanted=tuple(given.networks),
        large=given.large,
        rounds=1 if given.quick else given.rounds,
        seconds=0.1 if given.quick else given.seconds,
    )
    for name in given.only:
        MEASUREMENTS[name](bench)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), metavar="NAME")
    add("--networks", nargs="+", default=[], metavar="NAME", help="ours, or timm/NAME, torchvision/NAME")
    add("--large", action="store_true", help="compare networks of more than 400 million parameters too")
    add("--rounds", type=int, default=9)
    add("--seconds", type=float, default=0.5, help="that each side of a round of `speed` lasts at least")
    add("--threads", type=int, default=2)
    add("--quick", action="store_true", help="one short round, not kept in results/")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
