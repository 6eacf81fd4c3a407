"""The verb `data show`: pictures of a data set as they are and as an augmentation changes them, on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from neocog import files
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.data.decode import Pixels, decode
from neocog.data.preprocess import Preprocess
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.draw.sheet import Row, Sheet
from neocog.errors import Unreadable, UserError

if TYPE_CHECKING:
    from neocog.data.augment.policy import Augment

SIZE, SMALL, LEAST = 224, 64, 32
FORMS = (".png", ".svg", ".html")
ROOM = 256 / 224  # how much larger a picture is decoded than the crops that are cut from it


@dataclass(frozen=True)
class Shown:
    """A sheet of pictures. It shows itself in a notebook."""

    sheet: Sheet

    def save(self, path: str | Path) -> Path:
        """Write what the file's ending says: .png, .svg or .html."""
        target = _drawable(path)
        made = {".svg": self.sheet.to_svg, ".html": self.sheet.to_html}.get(target.suffix)
        files.write_bytes(target, made().encode() if made else self.sheet.to_png())
        return target

    def _repr_html_(self) -> str:
        return self.sheet.to_svg()


def _drawable(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix not in FORMS:
        raise UserError(f"the file's ending says its form: {', '.join(FORMS)}; got {target.name}")
    return target


def show_data(
    data: object,
    *,
    aug: str | Augment = "randaugment",
    n: int = 6,
    draws: int = 7,
    seed: int = 0,
    img_size: int | None = None,
    output: str | Path | None = None,
    **reading: Unpack[ReadingOptions],
) -> Shown:
    """`n` pictures of `data`, of as many classes as there are, each beside what `aug` makes of it in `draws` epochs.

    `aug` is an `Augment`, the name of a policy (`POLICIES`) or a text such as `rand-m9-n2`; its random numbers belong
    to `seed`, the epoch and the picture's place in the data set. `img_size` is the extent of the results: 224, or of
    small pictures their own, at least 32. `output` is a file to write: .png, .svg or .html; `reading` says
    how the data are read, as for the other verbs.
    """
    from neocog.data.augment.policy import policy

    if n < 1 or draws < 1:
        raise UserError(f"n and draws must be at least 1, got {n} and {draws}")
    place = None if output is None else _drawable(output)
    dataset = open_dataset(data, make_reading(**reading))
    chosen = policy(aug) if isinstance(aug, str) else aug
    extent = _own_size(dataset) if img_size is None else img_size
    indices, pixels = _pictures(dataset, n, seed, round(extent * ROOM) if chosen.crop else extent)
    changed = [_augmented(pixels, chosen, extent, (seed, epoch, indices)) for epoch in range(1, draws + 1)]
    sheet = Sheet(
        title=aug if isinstance(aug, str) else "Augmentation",
        about=f"{len(indices)} of {len(dataset):,} pictures of {dataset.name}, seed {seed}",
        columns=("as it is", *(f"epoch {epoch}" for epoch in range(1, draws + 1))),
        rows=tuple(
            Row(_class(dataset, index), Path(dataset.short_name(index)).name, (_fitted(own, extent), *others))
            for index, own, *others in zip(indices.tolist(), pixels, *changed, strict=True)
        ),
        settings=chosen.settings(),
    )
    shown = Shown(sheet)
    if place is not None:
        shown.save(place)
    return shown


def _augmented(
    pixels: Pixels,
    chosen: Augment,
    extent: int,
    where: tuple[int, int, np.ndarray[tuple[int], np.dtype[np.int64]]],
) -> Pixels:
    """uint8 (n, extent, extent, 3); mixed with each other if the policy mixes."""
    from dataclasses import replace

    import torch

    from neocog.data.augment.draws import Draws

    draws = Draws(*where)
    out = replace(chosen, size=(extent, extent))(torch.from_numpy(pixels), draws)
    mixed, _ = chosen.mix(out, torch.eye(len(out)), draws)
    made: Pixels = mixed.round().to(torch.uint8).numpy() if mixed.is_floating_point() else mixed.numpy()
    return made


def _pictures(
    dataset: Dataset, n: int, seed: int, extent: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Pixels]:
    """Up to `n` pictures, a class after the other, and their places; those that cannot be read are passed over."""
    preprocess = Preprocess(size=(extent, extent))
    found: list[tuple[int, Pixels]] = []
    for index in _by_turns(dataset, seed):
        try:
            found.append((index, preprocess(dataset.samples.read(index))))
        except Unreadable:
            continue
        if len(found) == n:
            break
    if not found:
        raise UserError(f"no picture of {dataset.name} can be read; `neocog data check` says why")
    found.sort(key=lambda pair: pair[0])
    return np.array([index for index, _ in found]), np.stack([pixels for _, pixels in found])


def _by_turns(dataset: Dataset, seed: int) -> list[int]:
    """All pictures in random order: one of each class, then a second one of each, and so on."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    turns: dict[int, int] = {}
    turn = []
    for label in dataset.labels[order].tolist():
        turns[label] = turns.get(label, -1) + 1
        turn.append(turns[label])
    places: list[int] = order[np.argsort(turn, kind="stable")].tolist()
    return places


def _own_size(dataset: Dataset) -> int:
    for index in range(len(dataset)):
        try:
            longest = max(decode(dataset.samples.read(index), 3).image.size)
        except Unreadable:
            continue
        return max(longest, LEAST) if longest <= SMALL else SIZE
    return SIZE


def _fitted(picture: Pixels, extent: int) -> Pixels:
    return picture if picture.shape[0] == extent else Preprocess(size=(extent, extent))(picture)


def _class(dataset: Dataset, index: int) -> str:
    label = int(dataset.labels[index])
    return "" if label == UNLABELLED else dataset.classes[label]
