"""Weights from a file into a network, all of them, with a report of what became of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from neocog.errors import UserError, unknown
from neocog.weights.layout import Found, Renamed
from neocog.weights.layouts import COUNTER, Reading, recognise
from neocog.weights.read import Tensors, as_arrays, read_weights, without_wrappers
from neocog.weights.refusal import refusal
from neocog.weights.report import GIVEN, LoadReport, shown
from neocog.weights.target import Target, fitted, target_of

Head = Literal["auto", "keep", "fresh"]
Source = Path | str | Mapping[str, Any]


def load_weights(
    net: nn.Module,
    source: Source,
    *,
    name: str | None = None,
    classes: int | None = None,
    head: Head = "auto",
    bgr: bool = False,
) -> LoadReport:
    """Put the weights of a file, or tensors by name, into `net`; UserError unless every tensor finds its place.

    A last layer for another number of classes stays freshly drawn if the user asked for that number: `classes`. With
    None the file must have the network's. `head="fresh"` never loads the last layer, `"keep"` always. A first
    convolution for other channels follows timm's rule, positions of another grid are interpolated; the report says
    so. With `bgr` the file's first convolution reads blue, green and red, as Caffe's do, and is turned to read red,
    green and blue. `name` is the network's in messages. Nothing of `net` is changed if an error is raised.
    """
    arrays, report = arrange(net, source, name=name, classes=classes, head=head, bgr=bgr)
    if report.refusal:
        raise UserError(report.refusal)
    target = target_of(net)
    with torch.no_grad():
        for key, array in arrays.items():
            target.state[key].copy_(torch.from_numpy(np.array(array)))
    return report


def check_weights(
    net: nn.Module,
    source: Source,
    *,
    name: str | None = None,
    classes: int | None = None,
    head: Head = "auto",
    bgr: bool = False,
) -> LoadReport:
    """The report that `load_weights` would give, without loading: what is missing or superfluous is listed in it."""
    return arrange(net, source, name=name, classes=classes, head=head, bgr=bgr)[1]


def arrange(
    net: nn.Module,
    source: Source,
    *,
    name: str | None = None,
    classes: int | None = None,
    head: Head = "auto",
    bgr: bool = False,
) -> tuple[Tensors, LoadReport]:
    """The tensors of `source` under the names and in the shapes of `net`, which may be on the meta device."""
    if head not in get_args(Head):
        raise unknown("head", head, get_args(Head))
    tensors, where = _tensors(source)
    target = target_of(net)
    reading = recognise(tensors, target.shapes, lambda key, array: _fits(target, key, array))
    if classes is not None and target.heads and classes != target.classes:
        raise UserError(f"classes must be the network's own number, {target.classes}, got {classes}")
    turned = bgr and _turn(reading.found, target.stem)
    arrays, report = _sorted(target, reading, classes is not None, head, where)
    if turned:
        further = report.adapted.get(target.stem)
        report.adapted[target.stem] = "blue, green, red turned round" + (f"; {further}" if further else "")
    return arrays, replace(report, refusal=refusal(target, reading, report, name or type(net).__name__))


def _turn(found: Renamed, stem: str) -> bool:
    """Let the first convolution read its three channels in the other order; false where it has none to turn."""
    if stem not in found or found[stem].array.ndim != 4 or found[stem].array.shape[1] != 3:
        return False
    found[stem] = found[stem]._replace(array=found[stem].array[:, ::-1])
    return True


def _tensors(source: Source) -> tuple[Tensors, str]:
    if isinstance(source, Mapping):
        if not source:
            raise UserError("the weights must be tensors by name, got none; give a network's state_dict()")
        return without_wrappers(as_arrays(source)), GIVEN
    return read_weights(source), str(source)


def _fits(target: Target, key: str, array: Any) -> bool:
    """Whether the network takes this tensor under this name, were it only by drawing a last layer anew."""
    other_classes = target.of_head(key) and array.shape[1:] == target.shapes[key][1:]
    return other_classes or fitted(target, key, array) is not None


def _sorted(
    target: Target, reading: Reading, asked: bool, head: Head, where: str
) -> tuple[Tensors, LoadReport]:
    """Each tensor of the file and of the network in its place of the report."""
    found = reading.found
    fresh = _fresh(target, found, asked, head)
    report = LoadReport(where, reading.layout.name, fresh=fresh)
    arrays = _filled(target, found, report)
    left_out = {key: why for key in found if (why := _useless(target, key, bool(fresh)))}
    taken = {*report.matched, *report.misfits, *left_out}
    absent = [key for key in target.shapes if key not in {*report.matched, *report.misfits, *fresh}]
    counters = [key for key in absent if key.endswith(COUNTER)]
    arrays |= {key: np.zeros(target.shapes[key], np.int64) for key in counters}
    return arrays, replace(
        report,
        missing=tuple(key for key in absent if key not in counters),
        unexpected=tuple(_names(found[key]) for key in found if key not in taken),
        left_out={_names(found[key]): why for key, why in left_out.items()},
        notes=(f"{len(counters)} {COUNTER} are not in the file and start at 0",) if counters else (),
    )


def _filled(target: Target, found: Renamed, report: LoadReport) -> Tensors:
    """What the network gets, noted in the report."""
    arrays: Tensors = {}
    for key, shape in target.shapes.items():
        if key not in found or key in report.fresh:
            continue
        fit = fitted(target, key, found[key].array)
        if fit is None:
            given = found[key].array.shape
            report.misfits[key] = f"{shown(given)} in the file, {shown(shape)} in the network"
            continue
        arrays[key], how = fit
        report.matched[key] = _names(found[key])
        if how:
            report.adapted[key] = how
    return arrays


def _fresh(target: Target, found: Renamed, asked: bool, head: Head) -> tuple[str, ...]:
    """The tensors of the last layer (and of auxiliary ones) where it stays as it was drawn."""
    if not target.heads or head == "keep" or (head == "auto" and not asked):
        return ()
    key = f"{target.heads[-1]}.weight"
    same = key in found and found[key].array.shape[:1] == target.shapes[key][:1]
    return () if same and head == "auto" else tuple(key for key in target.shapes if target.of_head(key))


def _useless(target: Target, key: str, fresh: bool) -> str:
    """Why the network has no use for a tensor of the file that other networks of its kind have; empty if it has."""
    if fresh and target.of_head(key):
        return "the last layer is drawn anew"
    if key in target.shapes:
        return ""
    if target.headless and key.startswith(f"{target.headless}."):
        return "the network has no last layer"
    if key.startswith("pre_logits.") and (fresh or target.headless):
        return "it belongs to the last layer of the file"
    if re.match(r"aux[12]\.", key):
        return "the network was built without auxiliary heads"
    return "it is for training with hidden patches" if key == "mask_token" else ""


def _names(item: Found) -> str:
    return " + ".join(item.names)
