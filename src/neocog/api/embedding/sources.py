"""A model's name, a run or a classical method's name becomes what computes features of some pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from neocog.api import names
from neocog.api.embedding.classical import PREFIX, classical_ready, is_classical
from neocog.api.embedding.options import EmbedOptions, demand_left_out
from neocog.api.embedding.origin import Origin
from neocog.api.embedding.ready import Ready
from neocog.api.embedding.ways import Frozen, asked_of, of_backbone, of_loaded, way_of
from neocog.api.networks import backbone_of, load_classifier
from neocog.bundle import is_bundle
from neocog.classical.catalogue import CLASSICAL
from neocog.data.dataset import Dataset
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.inference.layer_features import CENTER, MEAN, code_of
from neocog.progress import Progress
from neocog.weights.shipped import SHIPPED


def as_it_is(frozen: Frozen) -> Frozen:
    return frozen


def ready(
    source: str | Path,
    dataset: Dataset,
    told: Progress,
    options: EmbedOptions,
    change: Callable[[Frozen], Frozen] = as_it_is,
) -> Ready:
    """The model, run or classical method `source`, ready for the pictures of `dataset`.

    `change` may make another network of a model or run.
    """
    if is_classical(source):
        return classical_ready(str(source), dataset, told, options)
    demand_left_out(options, ("learn_from",), "only classical methods learn from pictures here")
    asked = asked_of(options.get("layers", ()), options.get("pooling", MEAN), options.get("views", CENTER))
    with told.step("engine", 1):
        frozen = change(_frozen(source, dataset, told, options))
        found = way_of(frozen, asked, options.get("engine", "auto"), options.get("device", "auto"))
    engine, network = found.chosen.engine.name, frozen.network
    told.say(f"engine: {engine}, {found.chosen.why}")
    origin = Origin(
        model=network.name,
        code=code_of(network),
        digests=found.digests,
        pooling=asked.pooling,
        views=asked.views,
        preprocess=json.loads(json.dumps(network.preprocess.to_json())),  # as a file gives it back
        dtype=options.get("dtype", "float32"),
        source=frozen.source,
    )
    return Ready(found.way, origin, engine)


def _frozen(source: str | Path, dataset: Dataset, told: Progress, options: EmbedOptions) -> Frozen:
    reference = reference_of(str(source))
    if reference is None:
        demand_left_out(options, ("weights", "decoding"), "a run brings its own")
        frozen = of_loaded(load_classifier(source, options.get("model")))
        return _resized(frozen, options)
    demand_left_out(options, ("model",), "model is for a run, to trust its code")
    if options.get("download"):
        names.fetch(reference, told)
    preprocess = names.resized(
        names.default_preprocess(reference), options.get("img_size"), options.get("resize_mode")
    )
    weights = options.get("weights")
    backbone = backbone_of(
        reference,
        _decoded(preprocess, dataset, told, options.get("decoding")),
        None if weights is None else Path(weights).expanduser(),
    )
    names.trust(reference)
    if backbone.source == "drawn at random":
        told.say("warning: the network's weights are drawn at random; give trained ones with --weights")
    return of_backbone(backbone)


def _resized(frozen: Frozen, options: EmbedOptions) -> Frozen:
    network = frozen.network
    preprocess = names.resized(network.preprocess, options.get("img_size"), options.get("resize_mode"))
    return replace(frozen, network=replace(network, preprocess=preprocess))


def _decoded(preprocess: Preprocess, dataset: Dataset, told: Progress, decoding: str | None) -> Preprocess:
    if decoding is not None:
        return replace(preprocess, decoding=decoding)  # type: ignore[arg-type]  # checked there
    preprocess, why = chosen_decoding(preprocess, dataset.samples)
    if why:
        told.say(why)
    return preprocess


def reference_of(source: str) -> names.Reference | None:
    """The model that goes by this name; None where it is a run, or would be one."""
    path = Path(os.path.expanduser(source))  # noqa: PTH111  # unlike Path's it never raises
    if is_bundle(path) or source in SHIPPED:
        return None
    if source in CLASSICAL:
        raise UserError(f"{source} is no network but a method from before; did you mean {PREFIX}{source}?")
    try:
        return names.parse(source)
    except UserError:
        if ".py" not in source and (path.exists() or len(path.parts) > 1 or "@" in source):
            return None
        raise
