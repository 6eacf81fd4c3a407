"""How a Neocognitron learns: without a teacher, as in 1980, or with one, as in 1988."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.errors import UserError
from neocog.layers.neocognitron import JoinedCLayer, SLayer, framed
from neocog.models.neocognitron import Neocognitron
from neocog.training.threads import threads_for

LINES = (  # pieces of line for the first layer of 1988, from level, counterclockwise: two pieces where joined
    "... ### ...",
    *("..# ##. ...", "... .## #.."),
    "..# .#. #..",
    *("..# .#. .#.", ".#. .#. #.."),
    ".#. .#. .#.",
    *("#.. .#. .#.", ".#. .#. ..#"),
    "#.. .#. ..#",
    *("#.. .## ...", "... ##. ..#"),
)
ENOUGH = 0.2  # a place where some S-cell answers as much as this is known
MUCH = 0.3  # share of the largest v at which a place is worth a plane


@dataclass(frozen=True)
class Seed:
    """The S-cell whose synapses are reinforced, and with them those of all cells of its plane."""

    plane: int
    row: int
    column: int


@dataclass(frozen=True)
class Lesson:
    """What a teacher says: at this picture, the seed cell of this layer learns."""

    layer: str
    seed: Seed
    picture: Tensor
    """(channels, rows, columns)"""


@torch.no_grad()
def self_organise(
    net: Neocognitron, pictures: Tensor, generator: torch.Generator, presentations: int = 20, shift: int = 2
) -> None:
    """Learning without a teacher: shows each of `pictures` (n, channels, rows, columns) in turn, `presentations` times.

    Each time a picture is shifted by up to `shift` pixels a way, as the generator draws it. Changes `net`.
    """
    with threads_for(net):
        for picture in [picture for _ in range(presentations) for picture in pictures]:
            down, right = torch.randint(-shift, shift + 1, (2,), generator=generator).tolist()
            present(net, shifted(picture, down, right))


@torch.no_grad()
def present(net: Neocognitron, picture: Tensor) -> dict[str, list[Seed]]:
    """Show one picture (channels, rows, columns): in every S-layer the representatives are reinforced.

    All layers learn from the one response that the network gave before. Changes `net`; returns each layer's seeds.
    """
    seeds = {}
    for name, layer, u, response in responses(net, picture[None]):
        seeds[name] = representatives(response[0], layer.spec.column)
        for seed in seeds[name]:
            reinforce(layer, u[0], seed)
    return seeds


@torch.no_grad()
def teach(net: Neocognitron, lessons: Iterable[Lesson]) -> None:
    """Learning with a teacher: one lesson after another, each from what the layers before answer then. Changes `net`.

    A layer reads what the one before has learned, so the lessons of the first layer come first.
    """
    with threads_for(net):
        for lesson in lessons:
            _learn(net, lesson)


def _learn(net: Neocognitron, lesson: Lesson) -> None:
    layers = {name: (layer, u, out) for name, layer, u, out in responses(net, lesson.picture[None])}
    if lesson.layer not in layers:
        raise UserError(f"a lesson must be for one of {', '.join(layers)}, got {lesson.layer!r}")
    layer, u, response = layers[lesson.layer]
    place, size = (lesson.seed.plane, lesson.seed.row, lesson.seed.column), response.shape[1:]
    if not all(0 <= i < n for i, n in zip(place, size, strict=True)):
        raise UserError(
            f"a seed cell must be in its layer; {lesson.layer} has {size[0]} planes of {size[1]}x{size[2]} cells, "
            f"got plane {place[0]}, row {place[1]}, column {place[2]}, counted from 0"
        )
    reinforce(layer, u[0], lesson.seed)


def reinforce(layer: SLayer, u: Tensor, seed: Seed) -> None:
    """Equations (7) and (8): a grows by q c(v) u(k, n + v), b by q / 2 v(n), with n the seed's place. Changes `layer`.

    `u` (planes, rows, columns) is what the layer reads.
    """
    area, q, u = layer.spec.area, layer.spec.q, framed(u, layer.spec.margin)
    window = u[:, seed.row : seed.row + area, seed.column : seed.column + area]
    layer.a[seed.plane] += q * layer.v.c[0] * window
    layer.b[seed.plane] += q / 2 * layer.v(window[None]).squeeze()


def representatives(response: Tensor, column: int) -> list[Seed]:
    """At most one S-cell of each plane of `response` (planes, rows, columns), as section 3 of the paper selects them.

    The largest cell of each S-column, `column` rows and columns of all planes, is a candidate; there is a column at
    each place where it fits, so they overlap. The largest candidate of a plane represents it. Cells without output
    are no candidates; of equals the first counts.
    """
    largest, plane = response.max(0)
    values, places = F.max_pool2d(largest[None], column, stride=1, return_indices=True)
    best: dict[int, tuple[float, int]] = {}
    for value, place in zip(values.flatten().tolist(), places.flatten().tolist(), strict=True):
        k = int(plane.flatten()[place])
        if value > best.get(k, (0.0, 0))[0]:
            best[k] = value, place
    return [Seed(k, *divmod(place, response.shape[2])) for k, (_, place) in sorted(best.items())]


def responses(net: Neocognitron, pictures: Tensor) -> Iterator[tuple[str, SLayer, Tensor, Tensor]]:
    """Of each S-layer: its name, itself, what it reads and what it answers, (n, planes, rows, columns) both."""
    net.check_size(pictures)
    u = pictures.to(next(net.parameters()))
    for name, layer in net.named_children():
        before, u = u, layer(u)
        if isinstance(layer, SLayer):
            yield name, layer, before, u


def shifted(picture: Tensor, down: int, right: int) -> Tensor:
    """The picture (channels, rows, columns) elsewhere; what leaves it is lost, what comes in is 0."""
    return F.pad(picture, (right, -right, down, -down))


@torch.no_grad()
def lessons_1988(net: Neocognitron, pictures: Tensor, labels: Sequence[int]) -> Iterator[Lesson]:
    """A teacher for `neocognitron_1988`: `teach(net, lessons_1988(net, pictures, labels))`.

    The first layer learns pieces of line. In the layers between, each plane in turn learns the place in `pictures`
    (n, channels, 19, 19) where most is to be seen and no plane answers yet; a plane that is joined to others learns
    the place most like theirs. The last layer learns each picture at its middle cell, in a plane of its label. The
    paper's teacher was a person who drew a pattern for each plane; this rule is ours. A lesson depends on what the
    net has learned from those before, so they must be taught as they come.
    """
    (first, _), *between, (last, joined) = joins(net)
    yield from line_lessons(first, pictures[0])
    for name, to in between:
        layer, u = reading(net, name, pictures)
        for plane in range(len(to)):
            partners = [k for k in range(plane) if to[k] == to[plane]]
            place = overlooked(layer, u, partners)
            if place:
                picture, row, column = place
                yield Lesson(name, Seed(plane, row, column), pictures[picture])
    layer, u = reading(net, last, pictures)
    for i, seed in label_seeds(layer, u, joined, labels):
        yield Lesson(last, seed, pictures[i])


def joins(net: Neocognitron) -> list[tuple[str, tuple[int, ...]]]:
    """Of each S-layer its name, and the C-plane that each of its planes leads to."""
    layers = list(net.named_children())
    found = [
        (name, cells.joined)
        for (name, layer), (_, cells) in pairwise(layers)
        if isinstance(layer, SLayer) and isinstance(cells, JoinedCLayer)
    ]
    if not found:
        raise UserError("lessons_1988 is for neocognitron_1988, got a network without joined planes")
    return found


def line_lessons(layer: str, like: Tensor) -> Iterator[Lesson]:
    """A lesson for each of `LINES`, in the middle of a picture that is otherwise as empty and as large as `like`."""
    middle = like.shape[-1] // 2
    for plane, rows in enumerate(LINES):
        picture = torch.zeros_like(like)
        ink = torch.tensor([[cell == "#" for cell in row] for row in rows.split()])
        picture[:, middle - 1 : middle + 2, middle - 1 : middle + 2] = ink.to(like)
        yield Lesson(layer, Seed(plane, middle, middle), picture)


def reading(net: Neocognitron, name: str, pictures: Tensor) -> tuple[SLayer, Tensor]:
    """An S-layer and what it reads when the net sees the pictures."""
    return next((layer, u) for found, layer, u, _ in responses(net, pictures) if found == name)


def overlooked(layer: SLayer, u: Tensor, partners: list[int]) -> tuple[int, int, int] | None:
    """Picture, row and column of a place where much is to be seen and no cell of the layer answers; None without one.

    With `partners`, the one of these places that is most like what those planes have learned.
    """
    inside = framed(u, layer.spec.margin)
    v = layer.v(inside)[:, 0]
    worth = torch.where((v >= MUCH * v.max()) & (layer(u).amax(1) < ENOUGH), v, 0)
    if not worth.any():
        return None
    if partners:
        worth = torch.where(worth > 0, F.conv2d(inside, layer.a[partners]).amax(1) / v, 0)
    picture, place = divmod(int(worth.argmax()), worth[0].numel())
    return picture, *divmod(place, worth.shape[2])


def label_seeds(
    layer: SLayer, u: Tensor, joined: Sequence[int], labels: Sequence[int]
) -> Iterator[tuple[int, Seed]]:
    """Each picture's number and its seed, in the middle of the plane of its label that answers most.

    Where none answers enough and another plane leads to that label too, that one begins.
    """
    wrong = [label for label in labels if label not in joined]
    if wrong or len(labels) != len(u):
        raise UserError(
            f"each picture needs a label from 0 to {max(joined)}, got {len(labels)} labels for {len(u)} "
            f"pictures{f', among them {wrong[0]}' if wrong else ''}"
        )
    for i, label in enumerate(labels):
        planes = [k for k, to in enumerate(joined) if to == label]
        response = layer(u[i : i + 1])[0]
        middle = response.shape[-1] // 2
        answers = [float(response[k, middle, middle]) for k in planes]
        best = answers.index(max(answers))
        free = [k for k in planes if not layer.b[k]]
        plane = free[0] if free and answers[best] < ENOUGH else planes[best]
        yield i, Seed(plane, middle, middle)
