"""The state of a run on disk: whole or not at all, told apart from a damaged one by its sums.

In `checkpoints/`, `step-00000123.safetensors` holds the tensors and `step-00000123.json`, the card, all else. The card
is written last and names the tensors' file with its SHA-256: without its card a checkpoint does not exist.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from shutil import disk_usage
from typing import Any

import torch
from torch import Tensor

from neocog.errors import UserError
from neocog.files import make_folder, remove_strays, sha256, whole_file, write_bytes
from neocog.training.resume.tensor_file import file_size, write_tensors

CARD = re.compile(r"step-(\d{8,})\.json")
TENSORS = re.compile(r"step-(\d{8,})(?:-\d+)?\.safetensors")
FORMAT = 1
SUM = b',\n"sum": '  # what comes before the card's own sum, its last entry
ROOM = 1 << 16  # bytes for what a file system keeps beside the files' own
MARK = "#"  # key of the object that stands for a number that JSON lacks; doubled where a key begins with it


class Damaged(Exception):
    """A checkpoint that is not what was written; the message says how."""


class NotFinite(UserError):
    """A tensor holds NaN or infinity, so it was not written."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on after `step` steps."""

    step: int
    tensors: dict[str, Tensor]
    """on the CPU where it was read"""
    facts: dict[str, Any]
    """JSON: objects, lists, strings, numbers (NaN and infinities too), true, false, null"""


def write_checkpoint(
    folder: Path,
    checkpoint: Checkpoint,
    keep: int = 2,
    protect: frozenset[int] = frozenset(),
    constants: frozenset[str] = frozenset(),
) -> Path:
    """Write `checkpoint` and leave the `keep` newest; returns its card's path.

    A crash at any moment leaves what there was, or this checkpoint too. Those of the steps in `protect` are never
    removed, those of later steps are: the run has gone back. Tensors named in `constants` may hold infinities, as
    masks do. One process at a time may write into a folder. Raises NotFinite, or UserError where the disk refuses.
    """
    facts, size = _plain(checkpoint.facts), file_size(checkpoint.tensors)
    for name, tensor in checkpoint.tensors.items():
        if name not in constants:
            _demand_finite(name, tensor, checkpoint.step)
    make_folder(folder)
    remove_strays(folder)
    _remove_orphans(folder)
    _demand_room(folder, size + len(_sealed(facts)) + ROOM)
    file = _unused(folder, checkpoint.step)
    with whole_file(file) as opened:
        total = write_tensors(opened, checkpoint.tensors)
    card = {"format": FORMAT, "step": checkpoint.step, "tensors": file.name, "sha256": total, "facts": facts}
    write_bytes(_card(folder, checkpoint.step), _sealed(card))
    _prune(folder, checkpoint.step, keep, protect)
    return _card(folder, checkpoint.step)


def latest(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where there is none at all.

    `say` is told in one line about each newer one that is not. Raises UserError where all are damaged.
    """
    cards, reasons = steps(folder), []
    for step in sorted({*cards, *_tensor_files(folder)}, reverse=True):
        try:
            found = _read(folder, step)
        except Damaged as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            say(f"{reason}; going on from step {step:,}")
        return found
    if cards:
        raise UserError(
            f"one checkpoint must be whole to go on from, but in {folder} none is ({reasons[0]}); "
            "restore one from a copy, or start anew in another folder"
        )
    for reason in reasons:
        say(f"{reason}; starting from the beginning")
    return None


def read_checkpoint(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of one step; UserError where it is missing or damaged."""
    try:
        return _read(folder, step)
    except Damaged as error:
        raise UserError(f"{error}; take the checkpoint of another step") from error


def newest_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of the newest checkpoint whose card is whole, without its tensors; None where there is none."""
    for step in reversed(steps(folder)):
        with suppress(Damaged):
            facts: dict[str, Any] = _opened(_card(folder, step))["facts"]
            return facts
    return None


def steps(folder: Path) -> list[int]:
    """Steps of which there is a checkpoint, damaged or not, ascending."""
    return sorted(int(found[1]) for found in _matches(folder, CARD))


def _read(folder: Path, step: int) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = _opened(_card(folder, step))
    file = folder / card["tensors"]
    try:
        if sha256(file) != card["sha256"]:
            raise Damaged(f"{file} is damaged: its SHA-256 is not the one in its card")
        return Checkpoint(step, load_file(file), card["facts"])
    except (OSError, SafetensorError) as error:
        raise Damaged(f"{file} cannot be read ({_why(error)})") from error


def _sealed(card: Mapping[str, Any]) -> bytes:
    """The card as JSON with, at its end, the SHA-256 of all bytes before."""
    body = json.dumps(card, indent=0, allow_nan=False).encode().removesuffix(b"\n}")
    return body + SUM + _sum(body)


def _sum(body: bytes) -> bytes:
    return f'"{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def _opened(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Damaged(f"{path} is missing: its checkpoint was written by half") from None
    except OSError as error:
        raise Damaged(f"{path} cannot be read ({_why(error)})") from error
    body, _, end = data.rpartition(SUM)
    if end != _sum(body):
        raise Damaged(f"{path} is damaged: its SHA-256 is not the one at its end")
    card: dict[str, Any] = json.loads(data, object_hook=_meant)
    if card["format"] != FORMAT:
        raise Damaged(f"{path} has format {card['format']}, written by a newer neocog")
    return card


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _plain(value: Any) -> Any:
    """`value` in strict JSON, which has no NaN and no infinity."""
    if isinstance(value, float) and not isfinite(value):
        return {MARK: repr(float(value))}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"facts must have strings as keys, got {list(value)}")
        return {MARK * key.startswith(MARK) + key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _meant(found: dict[str, Any]) -> Any:
    """What `_plain` was given, for an object in JSON."""
    if MARK in found:
        return float(found[MARK])
    return {key.removeprefix(MARK): part for key, part in found.items()}


def _demand_finite(name: str, tensor: Tensor, step: int) -> None:
    if not tensor.numel() or not (tensor.is_floating_point() or tensor.is_complex()):
        return
    wide = tensor.float() if tensor.element_size() == 1 else tensor  # torch has neither for float8
    parts = torch.view_as_real(wide.resolve_conj()) if wide.is_complex() else wide
    if not torch.isfinite(
        torch.stack(torch.aminmax(parts))
    ).all():  # NaN is both; 30 times as fast as all of them
        count = wide.numel() - int(torch.isfinite(wide).sum())
        raise NotFinite(
            f"a checkpoint must hold finite numbers, but after step {step:,} {count:,} of {wide.numel():,} in "
            f"{name!r} are NaN or infinite; nothing was written, go on from the last checkpoint with a smaller --lr"
        )


def _demand_room(folder: Path, need: int) -> None:
    free = disk_usage(folder).free
    if free < need:
        raise UserError(
            f"a checkpoint needs {need / 1e6:,.1f} MB in {folder}, but {free / 1e6:,.1f} MB are free; "
            "free some space or choose another place"
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _card(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08}.json"


def _unused(folder: Path, step: int) -> Path:
    """A name for tensors that no card knows: a card must never meet others than its own."""
    path, copy = folder / f"step-{step:08}.safetensors", 2
    while path.exists():
        path, copy = folder / f"step-{step:08}-{copy}.safetensors", copy + 1
    return path


def _matches(folder: Path, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    for path in folder.glob("step-*"):
        if found := pattern.fullmatch(path.name):
            yield found


def _tensor_files(folder: Path) -> dict[int, list[Path]]:
    files: dict[int, list[Path]] = {}
    for found in _matches(folder, TENSORS):
        files.setdefault(int(found[1]), []).append(folder / found[0])
    return files


def _remove_orphans(folder: Path) -> None:
    """Remove tensors that no card names: their writer died before the card, or after it while removing."""
    for step, files in _tensor_files(folder).items():
        named = set()
        if _card(folder, step).exists():
            try:
                named = {folder / _opened(_card(folder, step))["tensors"]}
            except Damaged:
                continue  # whose they are can no longer be told
        for file in set(files) - named:
            _remove(file)


def _prune(folder: Path, step: int, keep: int, protect: frozenset[int]) -> None:
    there = steps(folder)
    stay = {*[s for s in there if s <= step][-max(keep, 1) :], *protect}
    for old in set(there) - stay:
        _remove(_card(folder, old))  # first, so that no card is ever without its tensors
    _remove_orphans(folder)


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows keeps what is still mapped; the next checkpoint tries again
        path.unlink()
