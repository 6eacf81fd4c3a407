"""The full table of a network beside what torchinfo, fvcore, ptflops and torch's counter take to count it.

Each count is a process of its own. Needs torchinfo, fvcore and ptflops in the Python that runs it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from child import run
from record import RESULTS, Figure, Record, machine

ROOT = Path(__file__).parents[1]
NETWORKS = {"resnet152": 11_513_626_624, "vit_huge_patch14_224": 167_295_109_120}
"""multiply-adds by closed form"""
GOALS = {
    "neocog": "<= 0.5 s and <= 20 MB over the import",
    "torchinfo": "ratio of neocog >= 10 on ViT-H/14",
    "fvcore": "ratio of neocog >= 10 on ViT-H/14",
    "ptflops": "ratio of neocog >= 10 on ViT-H/14",
    "torchinfo on meta": "ratio of neocog >= 1",
}
REAL = "net = build({name!r}).eval(); x = torch.zeros(1, 3, 224, 224)"
META = "with torch.device('meta'): net = build({name!r}).eval(); x = torch.zeros(1, 3, 224, 224)"
COUNTER = """
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    net(x)
printed = counter.get_total_flops() / 2"""
FVCORE = "printed = FlopCountAnalysis(net, x).unsupported_ops_warnings(False).total()"
PTFLOPS = """
printed = get_model_complexity_info(net, (3, 224, 224), as_strings=False, print_per_layer_stat=False, verbose=False)[0]
"""
TORCHINFO = "printed = summary(net, input_data=x, verbose=0{more}).total_mult_adds"
IMPORT_COUNTER = "from torch.utils.flop_counter import FlopCounterMode"
TOOLS = {
    "neocog": (
        "from neocog.analysis.table import summarize",
        META,
        "printed = summarize(net, (3, 224, 224)).macs",
    ),
    "torchinfo": ("from torchinfo import summary", REAL, TORCHINFO.format(more="")),
    "fvcore": ("from fvcore.nn import FlopCountAnalysis", REAL, FVCORE),
    "ptflops": ("from ptflops import get_model_complexity_info", REAL, PTFLOPS),
    "torch's counter": (IMPORT_COUNTER, REAL, COUNTER),
    "torchinfo on meta": ("from torchinfo import summary", META, TORCHINFO.format(more=", device='meta'")),
    "torch's counter on meta": (IMPORT_COUNTER, META, COUNTER),
}
"""what is imported, how the network is built, how it is counted"""
PROGRAM = """
import json
from pathlib import Path
from time import perf_counter
import torch
from neocog.models import build
{imports}
def held(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = held("VmRSS")
start = perf_counter()
{build}
{count}
seconds = perf_counter() - start
print(json.dumps([seconds, held("VmHWM") - before, printed]))
"""


def measured(tool: str, name: str, folder: Path) -> tuple[float, float, float, float]:
    """Seconds after import, MiB over the import, multiply-adds printed, seconds of the whole process."""
    imports, build, count = TOOLS[tool]
    program = PROGRAM.format(imports=imports, build=build.format(name=name), count=count)
    settings = {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"}
    done = run([sys.executable, "-c", program], folder, settings)
    seconds, mib, printed = json.loads(done.out.splitlines()[-1])
    return seconds, mib, printed, done.seconds


def compare(name: str, rounds: int, record: Record, tools: Sequence[str]) -> None:
    seen: dict[str, list[tuple[float, float, float, float]]] = {tool: [] for tool in tools}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            for tool in tools if turn else tools[:1]:  # the first only warms the file cache
                figures = measured(tool, name, Path(folder))
                if turn:
                    seen[tool].append(figures)
    ours = seen["neocog"]
    for tool, rows in seen.items():
        ratios = tuple(other[0] / own[0] for other, own in zip(rows, ours, strict=True))
        whole = median(other[3] / own[3] for other, own in zip(rows, ours, strict=True))
        facts: dict[str, object] = {
            "mib_over_import": f"{median(row[1] for row in rows):.1f}",
            "macs_printed": round(rows[0][2]),
            "right": round(rows[0][2]) == NETWORKS[name],
            "whole_process_seconds": f"{median(row[3] for row in rows):.2f}",
        }
        if tool != "neocog":
            facts["whole_process_ratio_of_neocog"] = f"{whole:.2f}"
        figure = Figure(
            bench="analysis",
            what=f"{tool}, {name}",
            unit="seconds",
            values=tuple(row[0] for row in rows),
            ratios=ratios if tool != "neocog" else (),
            goal=GOALS.get(tool, ""),
            facts=facts,
            versions=versions(),
        )
        record.write(figure)


def versions() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    peers = ("torch", "torchinfo", "fvcore", "ptflops")
    found = {name: importlib.metadata.version(name) for name in peers}
    return {"neocog": project["version"], **found, "python": platform.python_version()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=list(TOOLS), metavar="TOOL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, not kept in results/")
    given = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp()) if given.quick else RESULTS
    record = Record(place / f"{machine()}-analysis.csv")
    tools = ["neocog", *(tool for tool in given.only if tool != "neocog")]
    for name in given.networks:
        compare(name, 1 if given.quick else given.rounds, record, tools)


if __name__ == "__main__":
    main()
