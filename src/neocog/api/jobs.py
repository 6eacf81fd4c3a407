"""The two ways to a classifier: a frozen network with a linear layer fitted on it, or all weights trained."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog import files, runtime
from neocog.api import names
from neocog.api.held_out import Split, split_readable
from neocog.api.networks import backbone_from, backbone_of
from neocog.api.plan import Plan
from neocog.data.decode import Pixels
from neocog.data.loading.pictures import Decoded, Labelled, Source
from neocog.inference.engines import Chosen, choose, recheck
from neocog.inference.features import extract
from neocog.inference.network import Floats, Head, Network
from neocog.inference.stream import stream
from neocog.probe.logistic import Fit, fit_logistic
from neocog.progress import Progress
from neocog.training.recipe import Recipe
from neocog.weights.published import Tensors

if TYPE_CHECKING:
    from torch import nn

    from neocog.experiments.digits import Row
    from neocog.training.loop import Epoch

IN_MEMORY = 4 << 30  # bytes of pixels above which they lie in a temporary file


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A trained classifier, what it says about the held-out pictures, and how it came to be."""

    network: Network
    head: Head
    tensors: Tensors
    """of the whole network"""
    head_name: str
    head_added: bool
    engine: Chosen
    split: Split
    train_loss: float
    probabilities: Floats
    """(held out, classes)"""
    skipped: tuple[tuple[int, str], ...]
    license: str
    facts: dict[str, Any]
    """how it was fitted, for the card"""
    epochs: tuple[Epoch, ...] = ()
    comparison: tuple[Row, ...] = ()
    interrupted: bool = False


def learn_probe(plan: Plan, told: Progress) -> Learned:
    """Features of every picture from the frozen network, then logistic regression on those that train."""
    dataset = plan.dataset
    with told.step("engine", 1):
        backbone = backbone_of(plan.reference, plan.preprocess, plan.weights)
        chosen = choose(backbone.network, None, plan.engine, plan.device)
    if backbone.source == "drawn at random":
        told.say(
            "warning: the frozen network's weights are drawn at random; give trained ones with --weights"
        )
    told.say(f"engine: {chosen.engine.name}, {chosen.why}")
    found = extract(dataset.samples, backbone.network, chosen.engine, told)
    split = split_readable(plan, found.indices, found.hashes, found.skipped, told)
    rows = np.full(len(dataset), -1)
    rows[found.indices] = np.arange(len(found.indices))
    with told.step("fit", 1):
        train, held_out = found.matrix[rows[split.train]], found.matrix[rows[split.held_out]]
        labels = dataset.labels[split.train]
        fit = fit_logistic(train, labels, len(dataset.classes), plan.seed)
    tensors: Tensors = {
        **backbone.tensors,
        f"{backbone.head}.weight": fit.head.weight,
        f"{backbone.head}.bias": fit.head.bias,
    }
    return Learned(
        network=backbone.network,
        head=fit.head,
        tensors=tensors,
        head_name=backbone.head,
        head_added=backbone.head_added,
        engine=recheck(chosen, backbone.network, fit.head),
        split=split,
        train_loss=log_loss(fit.head.probabilities(train), labels),
        probabilities=fit.head.probabilities(held_out),
        skipped=found.skipped,
        license=backbone.license,
        facts={**_facts(fit), "weights": backbone.source, "features from the cache": found.cached},
    )


def _facts(fit: Fit) -> dict[str, Any]:
    return {
        "classifier": "logistic regression on standardised features, folded into the last layer",
        "C": fit.C,
        "cross-validated log loss": {str(c): round(loss, 5) for c, loss in fit.losses.items()},
    }


def learn_scratch(plan: Plan, told: Progress) -> Learned:
    """All weights of the network trained by the loop, on pixels that are held where there is room for them."""
    import torch

    from neocog.training.loop import Task, normaliser, predict_logits, train_loop

    assert isinstance(plan.recipe, Recipe)
    dataset = plan.dataset
    net, head, added = _fresh(plan)
    pixels, hashes, skipped = _read_pixels(plan, told)
    readable = np.flatnonzero(hashes.any(axis=1))
    split = split_readable(plan, readable, hashes[readable], skipped, told)
    device = runtime.device(plan.device)
    train, held_out = (Labelled(pixels, dataset.labels[rows], rows) for rows in (split.train, split.held_out))
    task = Task(train, held_out, plan.preprocess, plan.workers)
    epochs, interrupted = train_loop(net.to(device), task, plan.recipe, plan.seed, told)
    logits = predict_logits(net, task.held_out, normaliser(plan.preprocess, device), plan.workers)
    backbone = backbone_from(net.cpu(), plan.reference, plan.preprocess, "trained here")
    tensors = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    layer = Head(tensors[f"{head}.weight"], tensors[f"{head}.bias"])
    chosen = choose(backbone.network, layer, plan.engine, plan.device)
    with told.step("comparison", 1):
        comparison = _pixel_rows(plan, split)
    return Learned(
        network=backbone.network,
        head=layer,
        tensors=tensors,
        head_name=head,
        head_added=added,
        engine=chosen,
        split=split,
        train_loss=epochs[-1].train_loss if epochs else float("inf"),
        probabilities=torch.from_numpy(logits).softmax(1).numpy(),
        skipped=skipped,
        license="trained here; the pictures' owner decides",
        facts={"device": str(device), "interrupted": interrupted},
        epochs=tuple(epochs),
        comparison=comparison,
        interrupted=interrupted,
    )


def log_loss(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Mean negative logarithm of the true class's probability."""
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)
    return float(-np.log(chosen, dtype=np.float64).mean())


def _fresh(plan: Plan) -> tuple[nn.Module, str, bool]:
    """A network with drawn or given weights and a last layer for the classes; that layer's name, and was it added."""
    import torch

    from neocog.models.head import Flat, find_head, run_once, width, with_head
    from neocog.weights.load import load_weights

    shape = (plan.preprocess.channels, *plan.preprocess.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        net = names.build_module(plan.reference, plan.preprocess.channels)
        if plan.weights:
            load_weights(net, plan.weights, name=str(plan.reference), head="fresh")
        head = find_head(net, shape)
        if head:
            features = width(net.get_submodule(head))
            net = with_head(net, head, len(plan.dataset.classes), False, features)
        else:
            features = Flat()(run_once(net, torch.zeros(1, *shape))).shape[1]
            net = with_head(net, "classifier", len(plan.dataset.classes), True, features)
    return net, head or "classifier", head is None


def _read_pixels(
    plan: Plan, told: Progress
) -> tuple[Pixels | Source, NDArray[np.uint8], tuple[tuple[int, str], ...]]:
    """Every picture as the network's input, with its content hash (zeros where it cannot be read)."""
    n = len(plan.dataset)
    pixels = _room(plan, told)
    hashes = np.zeros((n, 32), np.uint8)
    skipped: list[tuple[int, str]] = []
    with told.step("reading", n) as advance:
        for part in stream(plan.dataset.samples, plan.preprocess, infer=lambda batch: batch):
            if len(part.indices):
                hashes[part.indices] = part.hashes
                if pixels is not None:
                    pixels[part.indices] = part.outputs
            skipped += part.skipped
            advance(len(part.indices) + len(part.skipped))
    source = Decoded(plan.dataset.samples, plan.preprocess) if pixels is None else pixels
    return source, hashes, tuple(skipped)


def _room(plan: Plan, told: Progress) -> Pixels | None:
    """Memory for all pixels of the data set, or a temporary file; None where neither has the room."""
    shape = (len(plan.dataset), *plan.preprocess.size, plan.preprocess.channels)
    size = int(np.prod(shape))
    if size <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    cache = files.make_folder(runtime.cache_folder())
    if size > disk_usage(cache).free // 2:
        told.say(
            f"pixels: {size / 2**30:,.1f} GiB, which {cache} has no room for; decoded anew in each epoch"
        )
        return None
    told.say(f"pixels: {size / 2**30:,.1f} GiB, held in a temporary file in {cache}")
    with tempfile.TemporaryFile(dir=cache) as file:  # what is mapped stays until the array is gone
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _pixel_rows(plan: Plan, split: Split) -> tuple[Row, ...]:
    if not plan.compare_pixels:
        return ()
    from neocog.experiments.digits import pixel_machines

    samples, labels = plan.dataset.samples, plan.dataset.labels
    train, held_out = (
        np.stack([np.asarray(samples.read(int(i)), np.uint8) for i in indices])
        for indices in (split.train, split.held_out)
    )
    return tuple(pixel_machines(train, labels[split.train], held_out, labels[split.held_out]))
