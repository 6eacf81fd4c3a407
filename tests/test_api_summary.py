import csv
import json
import subprocess
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import door
import neocog
from neocog.api.wording import memory_bytes
from neocog.cli.summary import with_one_size
from neocog.errors import UserError

with (Path(__file__).parent / "golden" / "alexnet_lecture.csv").open(encoding="utf-8") as golden:
    LECTURE = list(csv.DictReader(line for line in golden if not line.startswith("#")))
KEYS = [
    "layer", "module", "kind", "output_size", "receptive_field", "effective_stride", "effective_padding",
    "memory_bytes", "params", "macs",
]  # fmt: skip


class Stack(nn.Module):
    """Pools that need 37 pixels, with functions in place of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, 2)
        self.second = nn.Conv2d(4, 4, 3)
        self.last = nn.Linear(4 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.second(F.relu(self.first(x))), 8)
        return self.last(x.flatten(1))


def test_json_has_the_lecture_s_rows_and_the_promised_keys() -> None:
    given = neocog.summary("alexnet", input_size=(3, 227, 227)).to_json()
    assert list(given) == ["model", "input_size", "convention", "partial", "rows", "totals"]
    assert [row["layer"] for row in given["rows"]] == [line["layer"] for line in LECTURE]
    assert all(list(row) == KEYS for row in given["rows"])
    assert list(given["totals"]) == [
        "params", "macs", "activation_bytes", "inference_peak_bytes", "training_bytes",
    ]  # fmt: skip
    first, last = given["rows"][0], given["rows"][-1]
    assert first["output_size"] == [64, 56, 56] and first["receptive_field"] == [11, 11]
    assert last["output_size"] == [1000] and last["effective_padding"] == [66, 66]
    json.dumps(given)


def test_totals_are_those_that_torchvision_and_the_lecture_print() -> None:
    given = neocog.summary("alexnet", input_size=(3, 227, 227)).summary
    assert (given.params, given.macs, given.units) == (61_100_840, 716_767_232, 501_288)
    assert not given.partial
    two_towers = neocog.summary("alexnet_2012", input_size=(3, 227, 227)).summary
    assert (two_towers.params, two_towers.units) == (60_965_224, 659_272)


def test_attention_is_global_in_json_and_names_its_operation_in_text() -> None:
    made = neocog.summary("vit_tiny_patch16_224")
    fields = [row["receptive_field"] for row in made.to_json()["rows"]]
    assert fields[0] == [16, 16] and fields[-1] == "global"
    assert "blocks.0.attn" in str(made)


@pytest.mark.parametrize(
    "name", ["googlenet_2014", "resnet50", "efficientnet_lite0", "vit_tiny_patch16_224", "lenet5"]
)
def test_every_parameter_is_in_one_row(name: str) -> None:
    made = neocog.summary(name)
    net = neocog.create_model(name)
    total = sum(p.numel() for p in net.parameters())
    unused = dict(net.named_parameters())
    left = sum(unused[key].numel() for key in made.summary.trace.unused)
    assert sum(row.params for row in made.rows) + left == total


def test_modules_of_a_depth_add_up_to_the_layers() -> None:
    fine, coarse = neocog.summary("resnet18"), neocog.summary("resnet18", depth=1)
    assert [row.layer for row in coarse.rows] == [
        "conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc",
    ]  # fmt: skip
    for name in ("params", "macs", "memory_bytes", "work"):
        assert sum(getattr(r, name) for r in coarse.rows) == sum(getattr(r, name) for r in fine.rows)
    assert coarse.rows[5].receptive_field == (435, 435)


def test_memory_follows_batch_and_precision() -> None:
    one = neocog.summary("lenet5_modern").summary
    eight = neocog.summary("lenet5_modern", batch_size=8).summary
    half = neocog.summary("lenet5_modern", dtype="float16").summary
    assert eight.activation_bytes == 8 * one.activation_bytes == 16 * half.activation_bytes
    assert eight.macs == 8 * one.macs and eight.rows[0].receptive_field == one.rows[0].receptive_field


def test_a_picture_too_small_names_the_layer_and_a_size_that_would_do() -> None:
    net = Stack()
    with pytest.raises(UserError, match=r"does not run on 3x20x20.*3x(\d+)x\1 would do") as caught:
        neocog.summary(net, input_size=(3, 20, 20))
    side = int(str(caught.value).split("would do")[0].rsplit("x", 1)[1])
    assert net(torch.zeros(1, 3, side, side)).shape == (1, 3)
    with pytest.raises(RuntimeError):
        net(torch.zeros(1, 3, side - 1, side - 1))


# by hand: 20 pixels leave 4 positions of conv1 (11, 4, 2), 1 of pool1 (3, 2), 1 of conv2, none of pool2
@pytest.mark.parametrize(
    ("name", "size", "layer", "least"),
    [
        ("alexnet", (3, 20, 20), "features.5 (MaxPool2d)", (3, 63, 63)),
        ("alexnet", (3, 20, 90), "features.5 (MaxPool2d)", (3, 63, 90)),
        ("googlenet", (3, 10, 10), "maxpool3 (MaxPool2d)", (3, 15, 15)),
        ("ViT-B/16", (3, 10, 10), "patch_embed.proj (Conv2d)", (3, 16, 16)),
        ("lenet5", (1, 80, 80), "f6 (Linear)", (1, 32, 32)),
        ("neocognitron", (1, 5, 5), "uc1 (CLayer)", (1, 16, 16)),
        ("neocognitron", (1, 25, 25), "the network (Neocognitron)", (1, 16, 16)),
    ],
)
def test_a_network_of_ours_names_the_layer_too(
    name: str, size: tuple[int, ...], layer: str, least: tuple[int, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        neocog.summary(name, input_size=size)
    given, wanted = ("x".join(map(str, s)) for s in (size, least))
    assert str(caught.value).startswith(f"{layer} does not run on {given}: ")
    assert str(caught.value).endswith(f"; {wanted} would do")


class OneSize(nn.Module):
    """As the vision transformers of other libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 16, 16)

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[2:] == (224, 224), f"Input height ({x.shape[2]}) doesn't match model (224)."
        y: Tensor = self.embed(x)
        return y


class Placed(nn.Module):
    """Patches and a class token, with learned positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positions = nn.Conv2d(3, 4, 8, 8), nn.Parameter(torch.zeros(1, 10, 4))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1) + self.positions


def flat(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 5, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(inputs, 5))


@pytest.mark.parametrize(
    ("net", "size", "message"),
    [
        (flat(144), (3, 99, 99), "3 (Linear) does not run on 3x99x99: it reads 144 numbers, got 2,304; 3x27x27"),
        (flat(144), (3, 12, 12), "3 (Linear) does not run on 3x12x12: it reads 144 numbers, got 16; 3x27x27"),
        (OneSize(), (3, 99, 99), "the network (OneSize) does not run on 3x99x99: .*; 3x224x224"),
        (nn.Sequential(nn.Conv1d(3, 4, 9, 2), nn.MaxPool1d(4)), (3, 10), "1 (MaxPool1d) does not .*; 3x15"),
        (nn.Sequential(nn.Conv3d(3, 4, 5), nn.Conv3d(4, 4, 2)), (3, 5, 9, 9), "1 (Conv3d) does .*; 3x6x9x9"),
        (Placed(), (3, 99, 99), "the network (Placed), at add, does not run on 3x99x99: .*; 3x24x24"),
        (nn.Conv1d(3, 4, 9), (3, 9, 9), "it reads channels and 1 axes of a picture, got 3x9x9"),
        (nn.Conv2d(3, 4, 9), (1, 9, 9), "it reads 3 channels, got 1"),
        (Stack(), (3, 20, 20), "the network (Stack), at max_pool2d, does not run .*; 3x39x39"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_what_would_does(
    net: nn.Module, size: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")) as caught:
        neocog.summary(net, input_size=size)
    *_, offered = str(caught.value).removesuffix(" would do").split("; ")
    if message.endswith(offered):
        enough = tuple(map(int, offered.split("x")))
        net(torch.zeros(1, *enough))
        for axis in range(1, len(enough)):  # and not a pixel less where the picture had less
            if size[axis] < enough[axis]:
                with pytest.raises((RuntimeError, AssertionError)):
                    net(torch.zeros(1, *(n - (i == axis) for i, n in enumerate(enough))))


def test_what_cannot_be_traced_is_said_with_the_layer() -> None:
    class Decides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("no such head")

    with pytest.raises(UserError, match=r"inner \(Decides\) decides on values"):
        neocog.summary(Named(Decides()), input_size=(3, 8, 8))
    with pytest.raises(UserError, match=r"inner \(Raises\) does not run on 3x8x8: KeyError"):
        neocog.summary(Named(Raises()), input_size=(3, 8, 8))


class Named(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("mac",)}, "unknown column 'mac'; there are layer"),
        ({"dtype": "float23"}, "unknown dtype"),
        ({"convention": "macs"}, "unknown convention 'macs'; did you mean mac"),
        ({"depth": 0}, "depth must be 1 or more, got 0"),
        ({"input_size": (3, 0, 5)}, "each 1 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        neocog.summary("lenet5_modern", **options)  # type: ignore[arg-type]


def test_memory_is_read_with_its_unit() -> None:
    assert memory_bytes("8GB") == 8_000_000_000
    assert memory_bytes("1.5 GiB") == 3 * 2**29
    assert memory_bytes(4096) == 4096
    with pytest.raises(UserError, match="8GB or 24GiB, got 'lots'"):
        memory_bytes("lots")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return door.neocog("summary", *arguments, cwd=cwd, ok=False)


def test_the_command_takes_a_file_and_says_which_functions_it_has(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 5, 3))\n"
    )
    done = run(
        "mine.py:net", "--input-size", "3", "9", "9", "--columns", "layer,output_size,params", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["conv1", "5x7x7", "140"]
    wrong = run("mine.py:nett", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean net" in wrong.stderr


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("net --input-size 3 227 227 --json", "net --input-size 3x227x227 --json"),
        ("--input-size 3 40 net", "--input-size 3x40 net"),
        ("net --input-size 1 2 3 4", "net --input-size 1x2x3x4"),
        ("net --input-size 3x9x9 -b 2", "net --input-size 3x9x9 -b 2"),
        ("net -b 2", "net -b 2"),
    ],
)
def test_a_size_is_as_many_numbers_as_there_are(given: str, same: str) -> None:
    assert with_one_size(given.split()) == same.split()


def test_networks_of_one_and_three_axes_are_read_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def one():\n    return nn.Conv1d(3, 5, 4)\n"
        "def three():\n    return nn.Conv3d(3, 5, (2, 3, 4))\n"
    )
    shown = ("--columns", "output_size")
    done = run("mine.py:one", "--input-size", "3", "9", *shown, cwd=tmp_path)
    assert done.stdout.splitlines()[1].strip() == "5x6", done.stderr
    done = run("--input-size", "3", "7", "8", "9", "mine.py:three", *shown, cwd=tmp_path)
    assert done.stdout.splitlines()[1].strip() == "5x6x6x6", done.stderr
    wrong = run("mine.py:one", "--input-size", "3", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (
        2,
        "",
    ) and "such as 3 227 227 or 3x227x227, got 3" in wrong.stderr


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    done = run("alexnett", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "neocog: unknown model 'alexnett'; did you mean alexnet, lenet5, alexnet_2012?\n"


def test_a_name_with_a_slash_is_a_model_and_a_folder_without_a_run_is_not() -> None:
    assert neocog.summary("ViT-L/16").summary.params == 304_326_632  # torchvision's and timm's count
    with pytest.raises(UserError, match="nowhere/run is not a run"):
        neocog.summary("nowhere/run")


def test_a_run_is_summarised_with_its_own_size_and_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    neocog.train("builtin/digits", epochs=1)
    made = neocog.summary("runs/last").summary
    assert made.rows[-1].output_size == (10,) and made.input_size[0] == 1
    assert made.rows == neocog.summary("lenet5_modern", input_size=made.input_size).summary.rows


def test_another_path_for_more_pictures_is_refused() -> None:
    class Splits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1 if len(x) == 1 else torch.cat([row[None] * 2 for row in x])

    with pytest.raises(UserError, match="other things with 3 pictures than with one; take a batch of 1"):
        neocog.summary(Splits(), input_size=(3, 4, 4), batch_size=3)


def test_json_has_what_else_was_asked_for(tmp_path: Path) -> None:
    asked = ("--json", "--fit", "1GB", "--train-cost", "2", "1000", "--device-flops", "1e9", "--devices", "2")
    given = json.loads(run("lenet5_modern", *asked, cwd=tmp_path).stdout)
    assert given["train_cost"]["macs"] == 3 * 416_520 * 2 * 1000
    assert given["train_cost"]["days"] == pytest.approx(2 * 3 * 416_520 * 2000 / 1e9 / 86400 / 2)
    net = neocog.create_model("lenet5_modern")
    assert neocog.summary(net, input_size=(1, 32, 32)).largest_batch("1GB") == given["largest_batch"]
    lone = run("lenet5_modern", "--devices", "2", cwd=tmp_path)
    assert lone.returncode == 2 and "go with --train-cost" in lone.stderr


def test_a_summary_is_written_in_the_form_its_ending_says(tmp_path: Path) -> None:
    made = neocog.summary("lenet5_modern")
    starts = {".csv": "layer,", ".md": "| layer |", ".json": "{", ".svg": "<svg", ".html": "<!"}
    for ending, start in starts.items():
        assert made.save(tmp_path / f"net{ending}").read_text("utf-8").lower().startswith(start)
    assert list(csv.reader((tmp_path / "net.csv").read_text().splitlines()))[1][0] == "conv1"
    with pytest.raises(UserError, match=r"\.csv, \.md, \.json, \.html, \.svg; got net\.txt"):
        made.save(tmp_path / "net.txt")


def test_rows_are_those_of_the_corrected_lecture() -> None:
    """Size, memory, parameters and multiply-adds; typed from the lecture's slide with its misprints put right."""
    rows = neocog.summary("alexnet", input_size=(3, 227, 227)).rows
    for row, line in zip(rows, LECTURE, strict=True):
        assert row.layer == line["layer"]
        assert row.output_size[-1] == int(line["size"])
        assert row.receptive_field == (int(line["field"]),) * 2
        assert row.effective_stride == (int(line["stride"]),) * 2
        assert row.effective_padding == (int(line["padding"]),) * 2
        assert int(row.memory_bytes / 1024 + 0.5) == int(line["memory_kib"])
        assert int((row.params - row.biases) / 1000 + 0.5) == int(line["params_k"])
        assert int(row.macs / 1e6 + 0.5) == int(line["mflop"])


def test_check_ends_with_1_where_the_table_is_not_proven(tmp_path: Path) -> None:
    """No probe can run on a network that refuses double precision and NaN alike."""
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Picky(nn.Conv2d):\n"
        "    def forward(self, x):\n"
        "        if not x.is_meta:\n"
        "            raise RuntimeError('only shapes here')\n"
        "        return super().forward(x)\n"
        "def net():\n"
        "    return Picky(3, 4, 3)\n"
    )
    asked = ("--input-size", "3", "9", "9", "--check")
    done = run("mine.py:net", *asked, cwd=tmp_path)
    assert done.returncode == 1
    assert "NOT proven" in done.stdout and "only shapes here" in done.stdout
    told = json.loads(run("mine.py:net", *asked, "--json", cwd=tmp_path).stdout)
    assert told["check"]["ok"] is False
    (tmp_path / "plain.py").write_text("from torch import nn\ndef net():\n    return nn.Conv2d(3, 4, 3)\n")
    assert run("plain.py:net", *asked, cwd=tmp_path).returncode == 0
