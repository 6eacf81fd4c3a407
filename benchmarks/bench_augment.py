"""Augmentation of whole batches beside torchvision.transforms.v2, picture by picture as a data loader calls it.

It needs torchvision beside neocog, so it runs in an environment of its own, from neocog's source:
`PYTHONPATH=src PEER/bin/python benchmarks/bench_augment.py`. benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from PIL import Image
from record import RESULTS, Figure, Record, machine
from torch import Tensor

from neocog.data.augment.auto import SETTINGS
from neocog.data.augment.draws import Draws
from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import Augment, RandomCrop
from neocog.data.builtin import HERE

ROOT = Path(__file__).parents[1]
BATCH = {224: 64, 32: 256}
CROPPED = Augment(size=(224, 224), crop=RandomCrop(), flip=True)


def ours() -> dict[str, tuple[int, Augment]]:
    """What is measured: the extent of the results, and our policy."""
    auto = {name: (224, Augment(auto=name)) for name in SETTINGS if name != "rand"}
    return {
        "crop and mirror": (224, CROPPED),
        "shift by up to 28 and mirror": (224, Augment(flip=True, shift=28 / 224, shift_fill=0)),
        "shift by up to 4 and mirror": (32, Augment(flip=True, shift=4 / 32, shift_fill=0)),
        "brightness, contrast, saturation": (224, Augment(jitter=Jitter(0.5, 0.5, 0.5))),
        "brightness, contrast, saturation, hue": (224, Augment(jitter=Jitter(0.5, 0.5, 0.5, 0.1))),
        "erasing": (224, Augment(erasing=Erasing(1.0, (0.02, 0.33), noise=False))),
        **auto,
        "randaugment of small pictures": (32, Augment(auto="randaugment")),
        "crop, mirror, trivialaugment, erasing": (
            224,
            Augment(
                size=(224, 224), crop=RandomCrop(), flip=True, auto="trivialaugment", erasing=Erasing(0.1)
            ),
        ),
    }


def theirs() -> Mapping[str, Callable[[Tensor], Tensor]]:
    """The same by torchvision, of one picture (3, height, width)."""
    from torchvision.transforms import v2

    crop = [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()]
    return {
        "crop and mirror": v2.Compose(crop),
        "shift by up to 28 and mirror": v2.Compose([v2.RandomCrop(224, 28), v2.RandomHorizontalFlip()]),
        "shift by up to 4 and mirror": v2.Compose([v2.RandomCrop(32, 4), v2.RandomHorizontalFlip()]),
        "brightness, contrast, saturation": v2.ColorJitter(0.5, 0.5, 0.5),
        "brightness, contrast, saturation, hue": v2.ColorJitter(0.5, 0.5, 0.5, 0.1),
        "erasing": v2.RandomErasing(1.0, value=[0]),  # torchvision's noise is none of 8 bits
        "randaugment": v2.RandAugment(),
        "trivialaugment": v2.TrivialAugmentWide(),
        "augmix": v2.AugMix(all_ops=False),
        "randaugment of small pictures": v2.RandAugment(),
        "crop, mirror, trivialaugment, erasing": v2.Compose(
            [*crop, v2.TrivialAugmentWide(), v2.RandomErasing(0.1)]
        ),
    }


def photographs(count: int, extent: int) -> Tensor:
    """Real ones, uint8 (count, extent, extent, 3), as a decoder leaves them."""
    paths = sorted((HERE / "photos").glob("*/*.jpg"))
    chosen = [paths[i * len(paths) // count % len(paths)] for i in range(count)]
    return torch.from_numpy(
        np.stack([np.asarray(Image.open(path).convert("RGB").resize((extent, extent))) for path in chosen])
    )


def one_by_one(transform: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """As torchvision's own recipes: each picture becomes a tensor, is changed, and the batch is stacked."""
    return torch.stack([transform(picture.permute(2, 0, 1).contiguous()) for picture in pixels])


def seconds(work: Callable[[], Any]) -> float:
    """Processor time: one thread on both sides."""
    start = process_time()
    work()
    return process_time() - start


def measure(record: Record, wanted: Sequence[str], rounds: int) -> None:
    """Pictures per second of each policy, ours and theirs in turn; who comes first changes from round to round."""
    peers = theirs()
    for name, (extent, policy) in ours().items():
        if wanted and name not in wanted:
            continue
        count = BATCH[extent]
        pixels = photographs(count, 256 if policy.crop else extent)
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds + 1):  # one round warms up
            draws = Draws(0, turn, np.arange(count))
            sides = [
                (times[0], lambda d=draws, p=policy, x=pixels: p(x, d)),
                (times[1], lambda t=peers[name], x=pixels: one_by_one(t, x)),
            ]
            for kept, work in sides if turn % 2 else reversed(sides):
                taken = seconds(work)
                if turn:
                    kept.append(taken)
        record.write(
            Figure(
                bench="augment",
                what=name,
                unit="img_per_s",
                values=tuple(count / t for t in times[0]),
                ratios=tuple(b / a for a, b in zip(*times, strict=True)),
                goal="ratio >= 1",
                facts={"pixels": extent, "batch": count},
                versions=versions(),
            )
        )


def versions() -> dict[str, str]:
    """Of what runs here, neocog from its source."""
    import torchvision

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = {"neocog": project["version"], "torch": torch.__version__, "torchvision": torchvision.__version__}
    return found | {"python": platform.python_version()}


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    torch.set_num_threads(1)
    place = Path(tempfile.mkdtemp()) if given.quick else RESULTS
    measure(Record(place / f"{machine()}-augment.csv"), given.only, 1 if given.quick else given.rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(ours()), default=[], metavar="NAME")
    add("--rounds", type=int, default=9)
    add("--quick", action="store_true", help="one short round, not kept in results/")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
