"""The lecture's tables, recomputed: each printed cell against the networks, and changed networks against the cells."""

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import neocog
from neocog.api.reproduce import Reproduction, judged
from neocog.experiments.claims import Claim, Rounding, Sheet, Value, Verdict
from neocog.experiments.decaf.cells import TABLES as DECAF
from neocog.experiments.ilsvrc.cells import SHEETS as ILSVRC
from neocog.experiments.networks import Networks, depth
from neocog.experiments.printed import HERE, read, sheet
from neocog.experiments.tables import TABLES, tables
from neocog.models import build

ROOT = Path(__file__).parents[1]
SHEETS = {*ILSVRC, *DECAF}

# The lecture's slides "Receptive Field" and "Other Stats", typed again with all that is wrong in them: input C and
# H/W, filters, kernel, stride, pad, output C and H/W; field, stride, padding; memory, params, flop
LECTURE = """
conv1      3 227   64 11 4 2   64 56   11  4  2  784     23  73
pool1     64  56    -  3 2 0   64 27   19  8  2  182      0   0
conv2     64  27  192  5 1 2  192 27   51  8 18  547    307 224
pool2    192  27    -  3 2 0  192 13   67 16 34  127      0   0
conv3    192  13  384  3 1 1  384 13   99 16 50  254    664 112
conv4    384  13  256  3 1 1  256 13  131 16 66  169    885 145
conv5    256  13  256  3 1 1  256 13  163 16 66  169    590 100
pool5    256  13    -  3 2 0  256  6  195 32 66   36      0   0
flatten  256   6    -  - - - 9216  -  259 32 66   36      0   0
fc6     9216   - 4096  - - - 4096  -  259 32 66   16 37,749  38
fc7     4096   - 4096  - - - 4096  -  259 32 66   16 16,777  17
fc8     4096   - 1000  - - - 1000  -  259 32 66    4  4,096   4
"""
COLUMNS = (
    *("input C", "input H/W", "filters", "kernel", "stride", "pad", "output C", "output H/W"),
    *("receptive field", "effective stride", "effective padding"),
    *("memory (KB)", "params (k)", "flop (M)"),
)

MISPRINTS = {
    "alexnet_fields/pool2/effective padding": 18,
    "alexnet_fields/conv3/effective padding": 34,
    "alexnet_fields/conv4/effective padding": 50,
    "alexnet_fields/flatten/receptive field": 355,
    "alexnet_fields/fc6/receptive field": 355,
    "alexnet_fields/fc7/receptive field": 355,
    "alexnet_fields/fc8/receptive field": 355,
    "alexnet_costs/conv4/flop (M)": 150,
}


@pytest.fixture(scope="module")
def whole() -> Reproduction:
    return neocog.reproduce("tables")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks()


def test_nothing_is_a_mismatch(whole: Reproduction) -> None:
    assert [j.claim.name for j in whole.judgements if j.verdict is Verdict.MISMATCH] == []
    assert whole.ok
    assert whole.counts == {"match": 291, "misprint": 8, "mismatch": 0}


def test_exactly_the_eight_wrong_cells_are_misprints(whole: Reproduction) -> None:
    found = {
        j.claim.name: round(float(j.scaled or 0)) for j in whole.judgements if j.verdict is Verdict.MISPRINT
    }
    assert found == MISPRINTS


def test_the_right_values_follow_from_the_recursion() -> None:
    """Field and padding of a chain by hand (Araujo et al. 2019): neither the tracer nor the printed column is asked."""
    field, step, padding = 1, 1, 0
    seen = {}
    for line in LECTURE.split("\n")[1:9]:
        name, *_, kernel, stride, pad, _, _, _, _, _, _, _, _ = line.split()
        field, padding, step = (
            field + (int(kernel) - 1) * step,
            padding + int(pad) * step,
            step * int(stride),
        )
        seen[name] = (field, padding)
    assert (seen["pool2"][1], seen["conv3"][1], seen["conv4"][1], seen["conv5"][1]) == (18, 34, 50, 66)
    assert seen["pool5"][0] + (6 - 1) * step == 355
    assert 13 * 13 * 256 * 384 * 3 * 3 == 149_520_384


def test_the_alexnet_cells_are_those_of_the_slides() -> None:
    """What is shipped as printed is what the lecture prints, misprints included."""
    shipped = {}
    for name in ("alexnet_layers", "alexnet_fields", "alexnet_costs"):
        for cell in read(HERE / f"{name}.csv")[1]:
            shipped[cell["row"], cell["column"]] = cell["printed"]
    typed = {}
    for line in LECTURE.strip().splitlines():
        name, *values = line.split()
        typed |= {(name, c): v for c, v in zip(COLUMNS, values, strict=True) if v != "-"}
    assert shipped == typed


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("vgg_params", ["133", "133", "134", "138", "144"]),
        ("resnet_flops", ["1.8×10⁹", "3.6×10⁹", "3.8×10⁹", "7.6×10⁹", "11.3×10⁹"]),
        ("vgg_stacks", ["49K²", "7", "27K²", "7"]),
    ],
)
def test_the_short_tables_are_those_of_the_slides(name: str, wanted: list[str]) -> None:
    assert [cell["printed"] for cell in read(HERE / f"{name}.csv")[1]] == wanted


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.csv")))
def test_a_printed_table_is_well_formed(name: str) -> None:
    head, cells = read(HERE / f"{name}.csv")
    assert name in TABLES or name in SHEETS
    assert all(head[key] for key in ("title", "where", "source"))
    assert len({(cell["row"], cell["column"]) for cell in cells}) == len(cells)
    for cell in cells:
        assert cell["row"] and cell["column"] and cell["printed"] and cell["convention"], cell
        assert bool(cell["erratum"]) == bool(cell["corrected"]), cell
        assert None not in cell, cell  # a comma too many


def test_every_table_has_its_printed_file() -> None:
    assert {*TABLES, *SHEETS} == {path.stem for path in HERE.glob("*.csv")}


# --- the totals, typed from the papers' arithmetic and the reference libraries


def test_alexnet_has_the_known_totals(networks: Networks) -> None:
    summary = networks.summary("alexnet", (3, 227, 227))
    outputs = sum(row.memory_bytes for row in summary if row.layer != "flatten")
    assert summary.params == 61_100_840  # torchvision's
    assert summary.macs == 716_767_232
    assert round(outputs / 1024, 1) == 2303.2
    assert summary.units == 501_288
    assert networks.summary("alexnet_2012", (3, 227, 227)).units == 659_272


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg11", 132_863_336, 7_609_090_048),
        ("vgg11_lrn", 132_863_336, 7_609_090_048),
        ("vgg13", 133_047_848, 11_308_466_176),
        ("vgg16_c", 133_638_952, 11_770_888_192),
        ("vgg16", 138_357_544, 15_470_264_320),
        ("vgg19", 143_667_240, 19_632_062_464),
        ("resnet18_a", 11_515_688, 1_794_805_760),
        ("resnet34_a", 21_623_848, 3_644_493_824),
        ("resnet50_v1", 25_557_032, 3_857_973_248),
        ("resnet101_v1", 44_549_160, 7_570_194_432),
        ("resnet152_v1", 60_192_808, 11_282_415_616),
    ],
)
def test_a_network_has_the_known_totals(name: str, params: int, macs: int, networks: Networks) -> None:
    summary = networks.summary(name)
    assert (summary.params, summary.macs) == (params, macs)


# --- the notes' figures


@pytest.mark.parametrize(
    ("name", "options", "params"),
    [
        ("vit_base_patch16_224", {}, 86_567_656),
        ("vit_large_patch16_224", {"num_classes": 1024}, 304_351_232),
        ("vit_large_patch32_224", {"num_classes": 1024}, 306_560_000),
        ("resnetv2_152x4_bit", {}, 936_533_224),
    ],
)
def test_the_notes_count_parameters_rightly(
    name: str, options: dict[str, int], params: int, networks: Networks
) -> None:
    assert networks.params(name, **options) == params


@pytest.mark.parametrize(
    ("name", "billions"), [("resnet34", "3.664"), ("resnet50_v1", "3.858"), ("resnet101", "7.801")]
)
def test_the_notes_count_flops_rightly(name: str, billions: str, networks: Networks) -> None:
    assert f"{networks.summary(name).macs / 1e9:.3f}" == billions


def test_googlenet_is_22_layers_deep(networks: Networks) -> None:
    assert depth(networks.summary("googlenet_2014")) == 22  # Szegedy et al. 2015, section 5


# --- a changed network is seen


def changed(known: Networks, name: str, change: Callable[[Any], None]) -> Networks:
    """The networks with one of them changed; the others need not be summarised again."""

    def other(wanted: str, **options: Any) -> nn.Module:
        net = build(wanted, **options)
        if wanted == name:
            change(net)
        return net

    return replaced(known, {name}, other)


def replaced(known: Networks, names: set[str], other: Callable[..., nn.Module]) -> Networks:
    networks = Networks(other)
    networks.known = {key: summary for key, summary in known.known.items() if key[0] not in names}
    return networks


def mismatches(name: str, networks: Networks) -> set[str]:
    [result] = judged("changed", [s for s in tables(networks) if s.name == name]).tables
    return {f"{j.claim.row} {j.claim.column}" for j in result.judgements if j.verdict is Verdict.MISMATCH}


def unpad_conv5(net: Any) -> None:
    net.features[10] = nn.Conv2d(256, 256, 3)


def narrow_conv4(net: Any) -> None:
    net.features[8] = nn.Conv2d(384, 128, 3, padding=1)
    net.features[10] = nn.Conv2d(128, 256, 3, padding=1)


def enlarge_conv3(net: Any) -> None:
    net.features[6] = nn.Conv2d(192, 384, 5, padding=2)


def drop_fc7(net: Any) -> None:
    del net.classifier[4]


def test_a_changed_padding_is_seen(networks: Networks) -> None:
    """Of 5 positions the adaptive pool behind makes the 6 that fc6 reads; the sizes tell all the same."""
    found = mismatches("alexnet_layers", changed(networks, "alexnet", unpad_conv5))
    assert {"conv5 pad", "conv5 output H/W", "pool5 input H/W", "pool5 output H/W"} <= found
    assert not any(cell.startswith(("conv1", "conv2", "conv3", "conv4")) for cell in found)


def test_a_changed_kernel_is_seen(networks: Networks) -> None:
    net = changed(networks, "alexnet", enlarge_conv3)
    assert mismatches("alexnet_layers", net) == {"conv3 kernel", "conv3 pad"}
    assert mismatches("alexnet_costs", net) == {"conv3 params (k)", "conv3 flop (M)"}
    assert "conv3 receptive field" in mismatches("alexnet_fields", net)


def test_a_changed_width_is_seen(networks: Networks) -> None:
    net = changed(networks, "alexnet", narrow_conv4)
    wanted = {"conv4 filters", "conv4 output C", "conv5 input C"}
    assert mismatches("alexnet_layers", net) == wanted
    costs = {"conv4 memory (KB)", "conv4 params (k)", "conv4 flop (M)", "conv5 params (k)", "conv5 flop (M)"}
    assert mismatches("alexnet_costs", net) == costs


def test_a_layer_that_is_gone_is_seen(networks: Networks) -> None:
    found = mismatches("alexnet_costs", changed(networks, "alexnet", drop_fc7))
    assert {"fc8 memory (KB)", "fc8 params (k)", "fc8 flop (M)"} <= found


def test_a_misprint_that_has_another_right_value_is_seen(networks: Networks) -> None:
    """With a wider conv2 the printed 34 of pool2 is wrong still, but what is marked as right is not right."""

    def change(net: Any) -> None:
        net.features[3] = nn.Conv2d(64, 192, 7, padding=3)

    found = mismatches("alexnet_fields", changed(networks, "alexnet", change))
    assert "pool2 effective padding" in found  # 26, neither the printed 34 nor the right 18


def test_a_third_convolution_of_3x3_in_column_c_is_seen(networks: Networks) -> None:
    def change(net: Any) -> None:
        net.features[14] = nn.Conv2d(256, 256, 3, padding=1)

    net = changed(networks, "vgg16_c", change)
    assert mismatches("vgg_layers", net) == {"stage 3 C"}
    assert mismatches("vgg_params", net) == set()  # half a million of 134


def test_strides_in_the_3x3_are_seen_in_the_flops_alone(networks: Networks) -> None:
    """The nets whose weights are in circulation, v1.5, do not have the printed FLOPs."""

    def other(name: str, **options: Any) -> nn.Module:
        return build(name.removesuffix("_v1"), **options)

    strided = {"resnet50_v1", "resnet101_v1", "resnet152_v1"}
    wanted = {"FLOPs 50-layer", "FLOPs 101-layer", "FLOPs 152-layer"}
    assert mismatches("resnet_flops", replaced(networks, strided, other)) == wanted


def test_projections_are_seen_in_the_34_layers(networks: Networks) -> None:
    def other(name: str, **options: Any) -> nn.Module:
        return build(name.removesuffix("_a"), **options)

    found = mismatches("resnet_flops", replaced(networks, {"resnet18_a", "resnet34_a"}, other))
    assert found == {"FLOPs 34-layer"}


def test_a_missing_block_is_seen(networks: Networks) -> None:
    def change(net: Any) -> None:
        del net.layer2[3]

    assert mismatches("resnet_layers", changed(networks, "resnet34_a", change)) == {"conv3_x 34-layer"}


# --- verdicts


def claim(value: Value | None, printed: str, **given: Any) -> Claim:
    rounding = given.pop("rounding", Rounding())
    names = {"name": "t/r/c", "row": "r", "column": "c", "where": "w", "source": "s", "convention": "n"}
    return Claim(printed=printed, rounding=rounding, ours=lambda: value, **names, **given)


@pytest.mark.parametrize(
    ("value", "printed", "erratum", "wanted"),
    [
        (18, "18", {}, Verdict.MATCH),
        (18, "34", {}, Verdict.MISMATCH),
        (18, "34", {"corrected": "18", "erratum": "why"}, Verdict.MISPRINT),
        (34, "34", {"corrected": "18", "erratum": "why"}, Verdict.MISMATCH),  # the lecture was right
        (20, "34", {"corrected": "18", "erratum": "why"}, Verdict.MISMATCH),  # neither is right
        (34, "34", {"corrected": "34", "erratum": "why"}, Verdict.MISMATCH),  # nothing to correct
        (None, "34", {}, Verdict.MISMATCH),
        (None, "34", {"corrected": "18", "erratum": "why"}, Verdict.MISMATCH),
    ],
)
def test_the_verdict(value: int | None, printed: str, erratum: dict[str, str], wanted: Verdict) -> None:
    assert claim(value, printed, **erratum).judge().verdict is wanted


@given(
    st.integers(0, 10**12),
    st.sampled_from([1, 1000, 1024, 10**6, 10**9]),
    st.sampled_from(["0.1", "1", "10"]),
)
def test_rounding_is_that_of_decimal(value: int, unit: int, step: str) -> None:
    exact, size = Decimal(value) / unit, Decimal(step)
    for rule, mode in (("half up to", ROUND_HALF_UP), ("cut to", ROUND_FLOOR)):
        rounded = (exact / size).to_integral_value(mode) * size
        rounding = Rounding(f"{rule} {step}", Fraction(unit))
        assert rounding.agrees(value, f"~{rounded:,}K")
        assert not rounding.agrees(value, f"{rounded + size:,}")


@pytest.mark.parametrize(("value", "wanted"), [(51, True), (50, False), (49, False)])
def test_most_is_more_than_half(value: int, wanted: bool) -> None:
    assert Rounding("more than 50").agrees(value, "most") is wanted


def test_a_mismatch_says_what_is_printed_and_what_is_ours() -> None:
    wrong = Sheet("t", "A table", (claim(1536, "2 KB", rounding=Rounding("cut to 1", Fraction(1024))),))
    found = judged("x", [wrong])
    assert not found.ok
    assert "MISMATCH r c: 2 KB is printed, ours is 1.5 KB" in str(found)
    assert "1 cell: 0 match, 0 misprints, 1 mismatch" in str(found)


def test_a_cell_without_a_counterpart_is_a_mismatch() -> None:
    [result] = judged("x", [sheet("vgg_params", dict)]).tables
    assert {j.verdict for j in result.judgements} == {Verdict.MISMATCH}
    assert "133 ≠ none" in str(result)


# --- what is shown


def test_the_page_in_the_docs_is_what_the_command_prints(whole: Reproduction) -> None:
    assert str(whole) in (ROOT / "docs" / "lecture" / "tables.md").read_text("utf-8")


def test_a_line_fits_a_terminal(whole: Reproduction) -> None:
    assert max(map(len, str(whole).splitlines())) <= 120


def test_json_has_every_cell(whole: Reproduction) -> None:
    found = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    cells = {cell["name"]: cell for table in found["tables"] for cell in table["cells"]}
    assert found["ok"] is True
    assert found["counts"] == {"cells": 299, "match": 291, "misprint": 8, "mismatch": 0}
    assert len(cells) == 299
    wrong = cells["alexnet_costs/conv4/flop (M)"]
    assert (wrong["printed"], wrong["ours"], wrong["corrected"]) == ("145", 149.520384, "150")
    assert wrong["verdict"] == "misprint" and wrong["erratum"]


def test_a_notebook_marks_the_misprints_and_escapes_text(whole: Reproduction) -> None:
    shown = whole._repr_html_()
    assert shown.count("background") == 8
    assert "&quot;One weird trick&quot;" in shown


# --- the command


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "neocog", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_command_prints_the_tables(tmp_path: Path) -> None:
    done = run("reproduce", "tables", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "299 cells: 291 match, 8 misprints, 0 mismatches"
    assert "conv4    169 = 169        885 ≈ 884.736     145 ✗ 149.52" in done.stdout


def test_without_a_name_the_experiments_are_listed(tmp_path: Path) -> None:
    done = run("reproduce", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("tables ")
    listed = json.loads(run("reproduce", "--json", cwd=tmp_path).stdout)
    assert listed[0]["experiment"] == "tables"


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    done = run("reproduce", "table", cwd=tmp_path)
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.strip() == "neocog: unknown experiment 'table'; did you mean tables?"


def test_a_mismatch_ends_the_command_with_1(tmp_path: Path) -> None:
    """In a copy of the package whose printed table was spoilt."""
    source, copy = Path(neocog.__file__).parent, tmp_path / "neocog"
    copy.mkdir()
    for path in source.iterdir():
        if path.name != "experiments":
            (copy / path.name).symlink_to(path)
    for path in (source / "experiments").rglob("*.*"):
        if path.suffix in (".py", ".csv"):
            place = copy / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    listed = copy / "experiments" / "tables.py"  # without the deep networks, which take long
    lines = listed.read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.strip().startswith(('"resnet', '"vit', '"depths', '"lenet'))]
    listed.write_text("\n".join(kept), "utf-8")
    spoilt = copy / "experiments" / "printed" / "vgg_params.csv"
    spoilt.write_text(spoilt.read_text("utf-8").replace("E,144,", "E,143,"), "utf-8")
    done = run("reproduce", "tables", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["counts"] == {"cells": 200, "match": 191, "misprint": 8, "mismatch": 1}
