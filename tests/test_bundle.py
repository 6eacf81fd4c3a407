import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from neocog.bundle import Bundle, Card, Golden, is_bundle, read_bundle, read_golden, write_bundle
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError

FILES = ("model.json", "model.safetensors", "golden.safetensors")

CARD = Card(
    model="lenet5_modern",
    head="fc5",
    classes=("ant", "Biene", "caf\u00e9", "猫", "caf\udce9"),  # the last as a folder's name in Latin-1 comes
    preprocess=Preprocess(size=(32, 32), channels=1, mean=(0.1,), std=(1 / 3,)),
    recipe={"lr": 1e-05, "epochs": 30, "cosine": True, "note": None},
    data={"name": "a \\ b\n\t\x1b"},
    metrics={"top1": 0.1 + 0.2, "confusion": [[1, 2], [3, 4]]},
    versions={"neocog": "0.1.0"},
    license="Apache-2.0",
)


def tensors() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        "conv1.weight": rng.standard_normal((2, 1, 3, 3)).astype(np.float32),
        "bn.num_batches_tracked": np.array(7),
        "fc5.weight": rng.standard_normal((5, 4)).astype(np.float32),
        "fc5.bias": rng.standard_normal(5).astype(np.float32),
    }


BUNDLE = Bundle(CARD, tensors())
GOLDEN = Golden((b"\xff\xd8picture", b"other"), np.full((2, 5), 0.2, np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "run", BUNDLE, GOLDEN)
    return tmp_path / "run"


def assert_same(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> None:
    assert {k: (v.dtype, v.shape) for k, v in one.items()} == {
        k: (v.dtype, v.shape) for k, v in other.items()
    }
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor, other[name])


def test_what_is_written_is_read_back(folder: Path) -> None:
    got = read_bundle(folder)
    assert got.card == CARD
    assert_same(got.tensors, BUNDLE.tensors)


def test_the_self_test_is_read_back(folder: Path) -> None:
    got = read_golden(folder)
    assert got.pictures == GOLDEN.pictures
    assert_same({"": got.probabilities}, {"": GOLDEN.probabilities})


def test_the_files_are_plain_json_and_safetensors(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert_same(load_file(folder / "model.safetensors"), BUNDLE.tensors)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    written = {name: value for name, value in asdict(CARD).items() if name != "calibration"}
    assert {name: card[name] for name in written} == json.loads(json.dumps(written))
    assert "calibration" not in card  # of a run that is not calibrated


def test_the_card_names_the_sums_of_the_other_files(folder: Path) -> None:
    card = json.loads((folder / "model.json").read_text("utf-8"))
    expected = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES[1:]}
    assert card["sha256"] == expected


# with bytes of file names that are no UTF-8, as Python writes them
NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.integers(0xDC80, 0xDCFF).map(chr))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
CARDS = st.builds(
    replace,
    st.just(CARD),
    classes=st.lists(NAMES, min_size=5, max_size=5).map(tuple),
    recipe=st.dictionaries(st.text(), VALUES, max_size=4),
    metrics=st.dictionaries(st.text(), VALUES, max_size=4),
)


@given(CARDS)
@settings(max_examples=30)  # three files are synchronised with the disk for each
def test_every_card_is_read_back(tmp_path_factory: pytest.TempPathFactory, card: Card) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-card"
    write_bundle(folder, replace(BUNDLE, card=card), GOLDEN)
    assert read_bundle(folder).card == card


@pytest.mark.parametrize(
    "tensor",
    [
        np.asfortranarray(np.arange(20).reshape(5, 4)),
        np.arange(40.0).reshape(5, 8)[:, ::2],
        np.zeros((5, 0), np.float32),
        np.arange(5, dtype=np.float16),
        np.array([True, False, True, True, False]),
    ],
)
def test_tensors_of_any_layout_and_type_are_read_back(tmp_path: Path, tensor: NDArray[Any]) -> None:
    bundle = replace(BUNDLE, tensors={"fc5.weight": tensor})
    write_bundle(tmp_path, bundle, GOLDEN)
    assert_same(read_bundle(tmp_path).tensors, {"fc5.weight": tensor})


def test_the_self_test_is_read_back_whatever_its_layout_and_number(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).random((5, 120)).astype(np.float32).T
    pictures = tuple(b"picture %d" % i for i in range(120))
    write_bundle(tmp_path, BUNDLE, Golden(pictures, probabilities))
    got = read_golden(tmp_path)
    assert got.pictures == pictures
    np.testing.assert_array_equal(got.probabilities, probabilities)


def test_the_head_and_the_rest_are_told_apart(folder: Path) -> None:
    bundle, stored = read_bundle(folder), tensors()
    weight, bias = bundle.head()
    np.testing.assert_array_equal(weight, stored["fc5.weight"])
    np.testing.assert_array_equal(bias, stored["fc5.bias"])
    assert set(bundle.backbone()) == {"conv1.weight", "bn.num_batches_tracked"}


def test_a_head_without_bias_has_a_bias_of_zeros() -> None:
    weight, bias = Bundle(CARD, {"fc5.weight": np.ones((5, 4), np.float16)}).head()
    assert (weight.dtype, bias.tolist()) == (np.float32, [0.0] * 5)


def read_all(folder: Path) -> None:
    read_bundle(folder)
    read_golden(folder)


def assert_refused(folder: Path, name: str, changed: bytes) -> None:
    sound = (folder / name).read_bytes()
    (folder / name).write_bytes(changed)
    try:
        with pytest.raises(UserError, match=name):
            read_all(folder)
    finally:
        (folder / name).write_bytes(sound)
    read_all(folder)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_bundle(tmp_path_factory.getbasetemp() / "sound", BUNDLE, GOLDEN)
    return tmp_path_factory.getbasetemp() / "sound"


@pytest.mark.parametrize("name", FILES)
@given(place=st.integers(0, 5000), change=st.integers(1, 255))
@settings(max_examples=150)
def test_every_changed_byte_is_noticed(sound: Path, name: str, place: int, change: int) -> None:
    data = bytearray((sound / name).read_bytes())
    data[place % len(data)] ^= change
    assert_refused(sound, name, bytes(data))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d + b"\n", lambda d: d[: len(d) // 2], lambda _: b""]
)
def test_a_file_cut_or_extended_is_noticed(sound: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    assert_refused(sound, name, damage((sound / name).read_bytes()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"lr": 1e-05', '"lr": 1E-05'),  # the same number to JSON
        ('"top1": 0.30000000000000004', '"top1": 0.30000000000000005'),  # and to a double
        ('"epochs": 30', '"epochs":  30'),
        ('"epochs": 30', '"epochs": 31, "epochs": 30'),
        ("caf\u00e9", "caf\\u00e9"),
        ("\\udce9", "\\uDCE9"),
        ("\n", "\r\n"),
    ],
)
def test_a_card_spelled_otherwise_is_noticed(sound: Path, old: str, new: str) -> None:
    text = (sound / "model.json").read_bytes().decode()
    assert old in text
    assert_refused(sound, "model.json", text.replace(old, new).encode())


@pytest.mark.parametrize(
    "text", ["[]", "7", "null", "{}", '{"format": "x"}', "[" * 100_000, "\ufeff{}", "no JSON"]
)
def test_a_card_that_is_something_else_is_refused(sound: Path, text: str) -> None:
    assert_refused(sound, "model.json", text.encode())


@pytest.mark.parametrize("name", FILES)
def test_files_of_two_bundles_do_not_mix(sound: Path, tmp_path: Path, name: str) -> None:
    other = Golden(GOLDEN.pictures, GOLDEN.probabilities + 1)
    write_bundle(tmp_path, replace(BUNDLE, tensors={**tensors(), "fc5.bias": np.ones(5, np.float32)}), other)
    mixed = (tmp_path / name).read_bytes()
    before = (sound / name).read_bytes()
    (sound / name).write_bytes(mixed)
    try:
        with pytest.raises(UserError, match="is damaged: its SHA-256 is not the one in model.json"):
            read_all(sound)
    finally:
        (sound / name).write_bytes(before)


def test_a_newer_format_is_refused_with_the_way_out(folder: Path) -> None:
    text = (folder / "model.json").read_text("utf-8")
    (folder / "model.json").write_text(text.replace('"format": 1,', '"format": 4,'), "utf-8")
    with pytest.raises(UserError, match="has format 4, this neocog reads up to 3; install a newer neocog"):
        read_bundle(folder)


@pytest.mark.parametrize("name", FILES[1:])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"lacks {name}; restore it from a copy"):
        read_all(folder)


def test_a_folder_without_a_card_is_no_bundle(tmp_path: Path) -> None:
    assert not is_bundle(tmp_path)
    with pytest.raises(
        UserError, match=r"is not a bundle: it has no model.json; give the folder that `neocog train`"
    ):
        read_bundle(tmp_path)


def test_a_bundle_that_could_not_be_finished_has_no_card(tmp_path: Path) -> None:
    (tmp_path / "golden.safetensors" / "in the way").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write .*golden.safetensors: Is a directory"):
        write_bundle(tmp_path, BUNDLE, GOLDEN)
    assert not is_bundle(tmp_path)


def test_a_bundle_that_could_not_be_finished_over_another_one_has_no_card(folder: Path) -> None:
    """Else the card of before would stand beside new weights."""
    (folder / "golden.safetensors").unlink()
    (folder / "golden.safetensors" / "in the way").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write"):
        write_bundle(folder, BUNDLE, GOLDEN)
    assert not is_bundle(folder)


@pytest.mark.parametrize("change", [{"head": "fc6"}, {"classes": ("a", "b")}])
def test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    write_bundle(tmp_path, replace(BUNDLE, card=replace(CARD, **change)), GOLDEN)
    with pytest.raises(UserError, match="does not fit its card: no row per class in fc"):
        read_bundle(tmp_path)


def test_a_card_says_whether_answers_are_means_over_mirror_images(tmp_path: Path) -> None:
    write_bundle(tmp_path / "run", replace(BUNDLE, card=replace(CARD, mirrored=True)), GOLDEN)
    assert read_bundle(tmp_path / "run").card.mirrored


def test_cards_of_before_there_were_mirror_images_are_read(folder: Path) -> None:
    """Written by hand, with the sum that its text has without the field for it."""
    path = folder / "model.json"
    card = json.loads(path.read_text("utf-8"))
    del card["mirrored"], card["card_sha256"]
    text = json.dumps(card, indent=2, ensure_ascii=False).replace("\udce9", "\\udce9") + "\n"
    card["card_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    text = json.dumps(card, indent=2, ensure_ascii=False).replace("\udce9", "\\udce9") + "\n"
    path.write_text(text, "utf-8")
    assert read_bundle(folder).card == CARD


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_mirrored_bundle_answers_alike_in_every_engine(tmp_path: Path, engine: str) -> None:
    """The mean of the logits of both views, from the unmirrored network."""
    torch = pytest.importorskip("torch")
    from neocog import create_model, load

    torch.manual_seed(3)
    net = create_model("lenet5_modern", num_classes=3).eval()
    stored = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    size = Preprocess(size=(32, 32), channels=1, mean=(0.1,), std=(0.5,))
    card = replace(CARD, classes=("a", "b", "c"), preprocess=size, mirrored=True)
    write_bundle(tmp_path / "run", Bundle(card, stored), GOLDEN)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    found = load(tmp_path / "run", engine=engine).probabilities(list(pixels))
    x = torch.from_numpy(((pixels / 255 - 0.1) / 0.5).astype(np.float32))[:, None]
    with torch.no_grad():
        logits = ((net(x) + net(x.flip(-1))) / 2).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(expected - 1 / 3).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)
