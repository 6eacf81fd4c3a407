"""Why weights do not go into a network, in one line: the rule, what was given, the way out."""

from __future__ import annotations

from neocog.weights.layouts import Reading
from neocog.weights.report import LoadReport, first
from neocog.weights.spellings import LAYOUTS
from neocog.weights.target import Target


def refusal(target: Target, reading: Reading, report: LoadReport, name: str) -> str:
    """Empty where the weights fit."""
    if not (report.misfits or report.missing or report.unexpected):
        return _padding(target, reading, report, name)
    of_head = all(target.of_head(key) for key in (*report.misfits, *report.missing))
    in_front = all("pre_logits" in key or "pooler" in key for key in report.unexpected)
    if not (of_head and in_front):
        return _names(target, report, name)
    if report.unexpected and any(target.of_head(key) for key in reading.found):
        return (
            f"the last layer in {report.source} reads a layer {first(report.unexpected)} that {name} has not; "
            "ask for num_classes of your own to have a last layer freshly drawn"
        )
    return _classes(target, reading, report, name)


def _padding(target: Target, reading: Reading, report: LoadReport, name: str) -> str:
    """The same shapes, other borders: silently wrong if it were loaded."""
    wanted = reading.layout.padding
    if wanted == "any" or (wanted == "same") == target.same_padding:
        return ""
    ways = {"same": "as TensorFlow does", "symmetric": "alike on both sides"}
    other = name.removeprefix("tf_") if target.same_padding else f"tf_{name}"
    way_out = f"load them into {other}" if "efficientnet" in name else "load them into a network that pads so"
    return (
        f"{report.source} has weights of {report.layout}, whose convolutions pad {ways[wanted]}, "
        f"which those of {name} do not; {way_out}"
    )


def _classes(target: Target, reading: Reading, report: LoadReport, name: str) -> str:
    key = f"{target.heads[-1]}.weight"
    if key not in reading.found:
        return (
            f"{report.source} has no last layer, and {name} needs one; ask for num_classes yourself to have it "
            "freshly drawn, or for num_classes=0 to get features"
        )
    given = len(reading.found[key].array)
    return (
        f"{report.source} has {given:,} classes and {name} was built for {target.classes:,}; pass "
        f"num_classes={given} to take its last layer, or num_classes={target.classes} to have one freshly drawn"
    )


def _names(target: Target, report: LoadReport, name: str) -> str:
    shapes = [f"{key} ({what})" for key, what in report.misfits.items()]
    total = len(target.shapes)
    parts = [
        f"{len(listed)} {kind} ({first(listed)})"
        for kind, listed in (
            (f"of its {total} tensors are missing", report.missing),
            ("have another shape", shapes),
            ("are unexpected", report.unexpected),
        )
        if listed
    ]
    layouts = "; ".join(layout.name for layout in LAYOUTS)
    return (
        f"{report.source} does not fit {name}: {', '.join(parts)}; it was read as {report.layout} after trying "
        f"{len(LAYOUTS)} layouts ({layouts}); give weights of this network, or the model that they are of"
    )
