"""What all views share: where they are found, what they call things, and how their figures begin."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torch import nn

import neocog
from neocog import see
from neocog.api.see.seen import Seen
from neocog.cli.see import app
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.models.vit import vit

PLAIN = Preprocess(size=(16, 16))
PICTURE = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
VIEWS = sorted(see.__all__)
ENVELOPE = ["view", "model", "weights", "input", "data", "skipped"]


def small() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(),
            nn.Linear(100, 3),
        )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views") / "run"
    neocog.train("builtin/digits", "lenet5_modern", output=folder, epochs=1)
    return folder


@pytest.mark.parametrize("name", VIEWS)
def test_the_figures_of_each_view_begin_alike(name: str, run: Path) -> None:
    view, pictures = getattr(see, name), [PICTURE, PICTURE[::-1], b"no picture"]
    wanted = {
        "model": "Sequential",
        "weights": "as they are",
        "input": [3, 16, 16],
        "data": [],
        "skipped": [],
    }
    if name == "patches":
        seen = view(small(), (pictures, ["a", "b", "a"]), k=2, preprocess=PLAIN)
    elif name in ("attention", "positions"):
        over = {"data": (pictures, ["a", "b", "a"])} if name == "attention" else {}
        seen = view(vit("tiny", 8, 16, 3), preprocess=PLAIN, **over)
        wanted["model"] = "ViT"
    elif name == "activations":
        seen = view("relu")
        wanted |= {"model": None, "weights": None, "input": None}
    elif name in ("embedding", "training"):
        few = {"points": 3} if name == "training" else {"method": "pca"}
        seen = view(run, "builtin/digits", pictures=20, **few)
        wanted |= {"model": "lenet5_modern", "weights": f"the run {run}", "input": [1, 32, 32]}
    else:
        seen = view(small(), *(() if name == "filters" else (PICTURE,)), preprocess=PLAIN)
    found = json.loads(json.dumps(seen.to_json(), allow_nan=False))
    assert list(found)[:6] == ENVELOPE
    assert found["view"] == name.replace("_", "-")
    if found["data"]:
        wanted["data"] = ["digits"] if name in ("embedding", "training") else found["data"]
    if name in ("patches", "attention"):
        ((unread, reason),) = (tuple(row.values()) for row in found["skipped"])
        assert unread == "[2]" and reason and seen.skipped == ((unread, reason),) and found["data"]
        wanted["skipped"] = found["skipped"]
    assert {key: found[key] for key in wanted} == wanted
    assert not set(ENVELOPE) & set(seen.figures)
    assert all(set(row) == {"picture", "reason"} for row in found["skipped"])
    assert "pictures" not in found or isinstance(found["pictures"], int)


@pytest.mark.parametrize("name", ["patches", "attention", "embedding", "training"])
def test_a_picture_that_cannot_be_read_is_called_by_its_path_below_the_data(
    name: str, run: Path, tmp_path: Path
) -> None:
    for i, kind in enumerate("01" * 8):
        (tmp_path / kind).mkdir(exist_ok=True)
        Image.fromarray(np.roll(PICTURE, i, 0)).save(tmp_path / kind / f"{i}.png")
    (tmp_path / "1" / "broken.png").write_bytes(b"no picture")
    seen: Seen
    if name == "attention":
        seen = see.attention(vit("tiny", 8, 16, 3), PICTURE, data=tmp_path, preprocess=PLAIN)
    elif name == "patches":
        seen = see.patches(small(), tmp_path, k=2, preprocess=PLAIN)
    else:
        few: dict[str, Any] = {"points": 3} if name == "training" else {"method": "pca"}
        seen = getattr(see, name)(run, tmp_path, **few)
    assert [picture for picture, _ in seen.skipped] == ["1/broken.png"]


def words(kind: Any) -> str:
    """A kind as it is written, whether its module writes kinds as text or not."""
    text = kind.__name__ if isinstance(kind, type) else getattr(kind, "__forward_arg__", str(kind))
    return re.sub(r"(\w+\.)+", "", text)


def parameters(view: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Names and kinds of those that stand in the signature, and behind them of its options."""
    for name, parameter in inspect.signature(view).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            options = view.__globals__[parameter.annotation.removeprefix("Unpack[").rstrip("]")]
            yield from ((key, words(kind)) for key, kind in options.__annotations__.items())
        else:
            yield name, words(parameter.annotation)


def test_one_thing_has_one_name_and_one_kind_in_all_views() -> None:
    first = {next(iter(dict(parameters(getattr(see, name))))) for name in VIEWS if name != "activations"}
    assert first == {"model"}
    kinds: dict[str, set[str]] = {}
    for name in VIEWS:
        for key, kind in parameters(getattr(see, name)):
            kinds.setdefault(key, set()).add(kind)
    assert not {"query", "n", "run", "source"} & set(kinds)
    # what is said is of one kind, but where a view takes less of it than another does
    several = {key: found for key, found in kinds.items() if len(found) > 1}
    assert set(several) == {"model", "data", "channel", "at", "classes"}, several
    for key in ("rule", "method", "methods", "color", "scale", "order", "baseline"):
        assert "str" not in kinds[key]


def test_what_may_be_typed_has_the_same_name_in_python() -> None:
    """`--layer` may be repeated where a view takes several; `-m` is for a run's own code."""
    others = {"layer": "layers", "method": "methods", "source": "model", "run": "model", "no_cache": "cache"}
    for command in app.registered_commands:
        assert isinstance(command, typer.models.CommandInfo) and command.callback and command.name
        own = {*dict(parameters(getattr(see, command.name.replace("-", "_"))))}
        typed = {*inspect.signature(command.callback).parameters} - {"output", "as_json"}
        missing = {name for name in typed if name not in own and others.get(name) not in own}
        assert missing <= {"model"}, (command.name, missing)


def test_the_views_are_a_module_that_costs_nothing_to_import() -> None:
    code = """
import sys
import neocog
assert "neocog.see" not in sys.modules and "see" in dir(neocog)
import neocog.see
assert not {"torch", "numpy", "PIL"} & set(sys.modules)
from neocog.see import filters, maps
from neocog import see
assert see is neocog.see is sys.modules["neocog.see"]
assert filters is see.filters and maps.__name__ == "maps"
try:
    from neocog.see import mops
except ImportError:
    print("no mops")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "no mops\n", done.stderr


def test_one_name_is_not_read_letter_by_letter() -> None:
    assert list(see.activations("relu").curves) == ["relu"]
    assert list(see.maps(small(), PICTURE, layers="3", preprocess=PLAIN).maps) == ["3"]
    fields = see.receptive_field(small(), PICTURE, layers="0", preprocess=PLAIN).fields
    assert [one.layer.name for one in fields] == ["0"]
    assert list(see.saliency(small(), PICTURE, methods="gradient", preprocess=PLAIN).evidence) == ["gradient"]
    with pytest.raises(UserError, match=r"gives \(3,\) for 1 classes"):
        see.saliency(small(), PICTURE, methods="gradient", classes="cat", preprocess=PLAIN)
    named = see.occlusion(small(), PICTURE, target="b", classes=["a", "b", "c"], preprocess=PLAIN)
    assert named.target == 1


@pytest.mark.parametrize("name", [*sorted({*VIEWS} - {"activations", "embedding", "training", "patches"})])
def test_a_size_that_a_module_does_not_take_is_told_at_its_layer(name: str) -> None:
    given = () if name in ("filters", "positions") else (PICTURE,)
    with pytest.raises(
        UserError, match=r"6 \(Linear\) does not run on 3x20x20: it reads 100 numbers, got 196"
    ):
        getattr(see, name)(small(), *given, preprocess=Preprocess(size=(20, 20)))


def test_what_torch_says_of_another_fault_is_kept() -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not x.is_meta:
                raise RuntimeError("no such device\nand more")
            return x.mean((2, 3))

    with pytest.raises(UserError, match="^Wrong does not run on 3x16x16: no such device$"):
        see.saliency(Wrong(), PICTURE, preprocess=PLAIN)


def test_a_keyword_is_named_by_those_that_the_view_has() -> None:
    with pytest.raises(TypeError, match=r"see maps\(\) has no argument 'layer'; did you mean layers\?"):
        see.maps(small(), PICTURE, layer="3")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"see unit\(\) has no argument 'layers'; did you mean layer"):
        see.unit(small(), PICTURE, layers="3")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"see receptive-field\(\) has no argument 'options'"):
        see.receptive_field(small(), PICTURE, options=3)  # type: ignore[call-arg]
    meant = {"saliency": "methods", "cam": "target", "occlusion": "square", "deconv": "channel"}
    for view, right in meant.items():
        wrong = right[:-1] if right.endswith("s") else f"{right}s"
        said = rf"see {view}\(\) has no argument '{wrong}'; did you mean .*{right}"
        with pytest.raises(TypeError, match=said):
            getattr(see, view)(small(), PICTURE, **{wrong: "3"})


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_is_one_of_several_processes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    given = {"activations": (), "embedding": ("none", "none"), "patches": (small(), PICTURE)}.get(
        name, (small(),)
    )
    with pytest.raises(UserError, match="see runs in one process; start it without torchrun"):
        getattr(see, name)(*given)
