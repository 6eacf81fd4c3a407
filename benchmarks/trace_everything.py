"""Trace every network of torchvision and timm, one row each: traced, partial or refused, and whether counts agree.

Each is built on torch's meta device in a process of its own with a time limit. Rows are kept as they come; a second
run goes on where the first one ended, `--again` repeats those that were not traced with equal counts.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import sys
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

PLACE = Path(__file__).parent / "results" / "traced-networks.csv"
COLUMNS = (
    *("library", "name", "size", "outcome", "reason"),
    *("params", "params_equal", "macs", "torch_macs", "macs_equal", "seconds"),
)
Cells = dict[str, object]


def names(library: str) -> list[str]:
    """All networks of a library; in an order in which every family comes early."""
    if library == "torchvision":
        import torchvision

        return list(torchvision.models.list_models())
    import timm

    families: dict[str, list[str]] = {}
    for name in timm.list_models():
        families.setdefault(timm.models._registry._model_to_module[name], []).append(name)
    longest = max(map(len, families.values()))
    return [own[i] for i in range(longest) for own in families.values() if i < len(own)]


def build(library: str, name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The network with random weights or none, and the size of its pictures."""
    if library == "timm":
        import timm

        net = timm.create_model(name, pretrained=False)
        return net, tuple(net.pretrained_cfg["input_size"])
    import torchvision

    about = {"weights": None}
    module = sys.modules[torchvision.models.get_model_builder(name).__module__].__name__
    if "segmentation" in module or "detection" in module:
        about["weights_backbone"] = None
    net = torchvision.models.get_model(name, **about)
    if "video" in module:
        return net, (3, 16, 224, 224)
    return net, (3, 299, 299) if name == "inception_v3" else (3, 224, 224)


def judge(library: str, name: str) -> Cells:
    """One row of the table."""
    from neocog.analysis.table import summarize
    from neocog.errors import UserError

    try:
        with torch.device("meta"):
            net, size = build(library, name)
    except Exception as first:
        try:  # a network that decides on values while it is built
            net, size = build(library, name)
        except Exception:
            return {"outcome": "not built", "reason": one_line(first)}
    cells: Cells = {"size": "x".join(map(str, size))}
    start = perf_counter()
    try:
        summary = summarize(net, size)
    except UserError as error:
        return cells | {"outcome": "refused", "reason": one_line(error)}
    cells |= {"seconds": f"{perf_counter() - start:.2f}", "macs": summary.macs, "params": summary.params}
    cells["params_equal"] = summary.params == sum(p.numel() for p in net.parameters())
    cells |= {"outcome": "partial" if summary.partial else "traced", "reason": " ".join(summary.partial)}
    try:
        counted = flops(net, size)
    except Exception as error:
        return cells | {"torch_macs": one_line(error)}
    return cells | {"torch_macs": counted / 2, "macs_equal": counted == 2 * summary.macs}


def flops(net: nn.Module, size: Sequence[int]) -> int:
    """What torch's own counter says on the meta device."""
    from torch.utils.flop_counter import FlopCounterMode

    net = net.to("meta").eval().requires_grad_(False)
    kind = next((p.dtype for p in net.parameters()), torch.float32)
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *size, device="meta", dtype=kind))
    return counter.get_total_flops()


def one_line(error: BaseException) -> str:
    """An error without the folders of this machine."""
    return " ".join(f"{type(error).__name__}: {error}".replace(str(Path.home()), "~").split())[:200]


def answer(library: str, name: str, end: Connection) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        end.send(judge(library, name))
    except BaseException as error:
        end.send({"outcome": "failed", "reason": one_line(error)})


def in_a_process(library: str, name: str, limit: float) -> Cells:
    """What `judge` says within `limit` seconds."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=answer, args=(library, name, theirs))
    process.start()
    theirs.close()
    try:
        cells: Cells = ours.recv() if ours.poll(limit) else {"outcome": "late", "reason": f"over {limit:g} s"}
    except EOFError:
        cells = {"outcome": "failed", "reason": "the process ended without an answer"}
    process.kill()
    process.join()
    return cells


def read(place: Path) -> dict[tuple[str, str], dict[str, Any]]:
    if not place.exists():
        return {}
    with place.open(newline="") as file:
        return {(row["library"], row["name"]): row for row in csv.DictReader(file)}


def write(place: Path, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def good(row: dict[str, Any]) -> bool:
    return row["outcome"] == "traced" and row["macs_equal"] == row["params_equal"] == "True"


def wanted(
    given: argparse.Namespace, done: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    for library in given.libraries:
        for name in names(library):
            old = done.get((library, name))
            if (not given.names or name in given.names) and (old is None or (given.again and not good(old))):
                yield library, name


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--libraries", nargs="+", default=["torchvision", "timm"])
    parser.add_argument("--names", nargs="+", default=[])
    parser.add_argument("--limit", type=float, default=60, help="seconds for each network")
    parser.add_argument("--again", action="store_true", help="repeat what was not traced with equal counts")
    parser.add_argument("--place", type=Path, default=PLACE)
    given = parser.parse_args(arguments)
    import neocog.analysis.table  # once for all processes

    assert neocog.analysis.table
    done = read(given.place)
    for library, name in list(wanted(given, done)):
        cells = in_a_process(library, name, given.limit)
        row = {"library": library, "name": name, **{key: str(value) for key, value in cells.items()}}
        done[library, name] = {column: row.get(column, "") for column in COLUMNS}
        new = not given.place.exists()
        with given.place.open("a", newline="") as file:  # a later row of the same name counts
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(done[library, name])
        print(*(done[library, name][column] for column in COLUMNS), flush=True)
    write(given.place, done)


if __name__ == "__main__":
    main()
