import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import door
from neocog.api.data.show import show_data
from neocog.data.augment.draws import Draws
from neocog.data.augment.policy import Augment, RandomCrop
from neocog.data.builtin import HERE
from neocog.errors import UserError


def test_the_sheet_shows_what_the_policy_makes_of_the_named_pictures() -> None:
    """Pictures of different classes; each column is an epoch of the same random numbers as anywhere else."""
    sheet = show_data("builtin/photos", aug="resnet-cifar", n=4, draws=3, seed=2, img_size=48).sheet
    assert len({row.name for row in sheet.rows}) == 4
    paths = sorted((HERE / "photos").glob("*/*.jpg"))
    places = [next(i for i, path in enumerate(paths) if path.name == row.detail) for row in sheet.rows]
    assert [paths[place].parent.name for place in places] == [row.name for row in sheet.rows]
    originals = np.stack([row.pictures[0] for row in sheet.rows])
    for place, original in zip(places, originals, strict=True):
        photograph = Image.open(paths[place]).convert("RGB")
        wanted = np.asarray(ImageOps.fit(photograph, (48, 48), Image.Resampling.BICUBIC))
        assert np.abs(original.astype(int) - wanted).mean() < 8  # decoded at a smaller scale
    for epoch in (1, 2, 3):
        policy = Augment(shift=4 / 32, shift_fill=0, flip=True)
        expected = policy(torch.from_numpy(originals), Draws(2, epoch, np.array(places))).numpy()
        assert (np.stack([row.pictures[epoch] for row in sheet.rows]) == expected).all()


def test_small_pictures_keep_their_size_down_to_32_and_crops_are_cut_from_larger_ones() -> None:
    digits = show_data("builtin/digits", aug=Augment(shift=0.2), n=3, draws=1).sheet
    assert {p.shape for row in digits.rows for p in row.pictures} == {(32, 32, 3)}
    assert len({row.name for row in digits.rows}) == 3
    photos = show_data("builtin/photos", aug=Augment(crop=RandomCrop()), n=2, draws=2).sheet
    assert {p.shape for row in photos.rows for p in row.pictures} == {(224, 224, 3)}


def test_tables_are_read_as_they_are_described(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        Image.new("RGB", (40, 30), name).save(tmp_path / f"{name}.png")
    (tmp_path / "list.csv").write_text("file,what\nred.png,warm\nblue.png,cold\n")
    sheet = show_data(
        tmp_path / "list.csv", aug="none", draws=1, columns={"path": "file", "label": "what"}
    ).sheet
    assert sorted((row.name, row.detail) for row in sheet.rows) == [("cold", "blue.png"), ("warm", "red.png")]


def test_pictures_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 30), "red").save(tmp_path / name / "good.png")
        (tmp_path / name / "bad.png").write_bytes(b"nothing")
    sheet = show_data(tmp_path, aug="none", n=9, draws=1).sheet
    assert [(row.name, row.detail) for row in sheet.rows] == [("ant", "good.png"), ("bee", "good.png")]
    for name in ("ant", "bee"):
        (tmp_path / name / "good.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"no picture of .* can be read"):
        show_data(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aug": "mixup"}, "unknown augmentation 'mixup'"),
        ({"output": "sheet.pdf"}, "the file's ending says its form: .png, .svg, .html; got sheet.pdf"),
        ({"n": 0}, "n and draws must be at least 1, got 0 and 7"),
        ({"img_size": 0}, "size must be a height and a width of at least 1"),
    ],
)
def test_what_cannot_be_shown_is_a_readable_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        show_data("builtin/photos", **options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_the_command_writes_the_sheet_and_says_where(tmp_path: Path) -> None:
    done = door.neocog("data", "show", "builtin/photos", "-n", "2", "--draws", "2", "--json", cwd=tmp_path)
    said = json.loads(done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == [said["output"]] == ["photos-randaugment.png"]
    written = Image.open(io.BytesIO((tmp_path / said["output"]).read_bytes()))
    assert written.size[0] > 1000
    assert said["settings"] == "crop scale 0.08..1 ratio 0.75..1.33, flip on, auto randaugment-m9-n2"
    assert len(said["pictures"]) == 2
