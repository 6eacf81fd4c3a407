"""Local copies of well-known data sets: a small tree of exactly each layout, and the list of what it must give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import trees
from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.source import open_dataset
from neocog.data.sources.names import class_names
from neocog.errors import UserError

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "ilsvrc": trees.ilsvrc,
    "kaggle": trees.kaggle,
    "imagenet21k": trees.imagenet21k,
    "caltech101": trees.caltech101,
    "office31": trees.office31,
    "cub200": trees.cub200,
    "sun397": trees.sun397,
    "pets": trees.pets,
    "flowers102": trees.flowers102,
}

# name below the root, class, part
EXPECTED = {
    "ilsvrc": [
        ("ILSVRC2012_img_train/n01440764/n01440764_9.JPEG", "tench", "train"),
        ("ILSVRC2012_img_train/n01440764/n01440764_10026.JPEG", "tench", "train"),
        ("ILSVRC2012_img_train/n02012849/n02012849_1.JPEG", "crane bird", "train"),
        ("ILSVRC2012_img_train/n03126707/n03126707_7.JPEG", "crane", "train"),
        ("ILSVRC2012_img_val/ILSVRC2012_val_00000001.JPEG", "tench", "val"),
        ("ILSVRC2012_img_val/ILSVRC2012_val_00000002.JPEG", "crane", "val"),
        ("ILSVRC2012_img_val/ILSVRC2012_val_00000003.JPEG", "crane bird", "val"),
        ("ILSVRC2012_img_val/ILSVRC2012_val_00000004.JPEG", "tench", "val"),
    ],
    "kaggle": [
        ("ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_1.JPEG", "tench", "train"),
        ("ILSVRC/Data/CLS-LOC/train/n03126707/n03126707_2.JPEG", "crane", "train"),
        ("ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG", "crane", "val"),
        ("ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG", "tench", "val"),
    ],
    "imagenet21k": [
        ("n00001740.tar/n00001740_5.JPEG", "n00001740", ""),
        ("n00004475.tar/n00004475_2.JPEG", "organism", ""),
        ("n00004475.tar/n00004475_1.JPEG", "organism", ""),
        ("n00007846/n00007846_1.JPEG", "person", ""),
    ],
    "caltech101": [
        ("101_ObjectCategories/Faces/image_0001.jpg", "Faces", ""),
        ("101_ObjectCategories/Faces/image_0002.jpg", "Faces", ""),
        ("101_ObjectCategories/accordion/image_0001.jpg", "accordion", ""),
        ("101_ObjectCategories/airplanes/image_0010.jpg", "airplanes", ""),
    ],
    "office31": [
        ("amazon/images/back_pack/frame_0001.jpg", "back_pack", ""),
        ("amazon/images/back_pack/frame_0002.jpg", "back_pack", ""),
        ("amazon/images/mug/frame_0001.jpg", "mug", ""),
        ("dslr/images/mug/frame_0001.jpg", "mug", ""),
        ("webcam/images/back_pack/frame_0001.jpg", "back_pack", ""),
    ],
    "cub200": [
        (
            "images/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg",
            "Black footed Albatross",
            "test",
        ),
        (
            "images/001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg",
            "Black footed Albatross",
            "train",
        ),
        ("images/002.Laysan_Albatross/Laysan_Albatross_0003_1033.jpg", "Laysan Albatross", "train"),
        ("images/002.Laysan_Albatross/Laysan_Albatross_0082_524.jpg", "Laysan Albatross", "test"),
    ],
    "sun397": [
        ("a/abbey/sun_bbb.jpg", "abbey", "train"),
        ("a/apartment_building/outdoor/sun_ddd.jpg", "apartment_building/outdoor", "train"),
        ("a/abbey/sun_aaa.jpg", "abbey", "test"),
        ("a/apartment_building/outdoor/sun_eee.jpg", "apartment_building/outdoor", "test"),
    ],
    "pets": [
        ("images/Abyssinian_100.jpg", "Abyssinian", "train"),
        ("images/american_bulldog_2.jpg", "American bulldog", "train"),
        ("images/Abyssinian_10.jpg", "Abyssinian", "test"),
        ("images/american_bulldog_11.jpg", "American bulldog", "test"),
    ],
    "flowers102": [
        ("jpg/image_00001.jpg", "passion flower", "test"),
        ("jpg/image_00002.jpg", "pink primrose", "val"),
        ("jpg/image_00003.jpg", "blackberry lily", "test"),
        ("jpg/image_00004.jpg", "passion flower", "train"),
        ("jpg/image_00005.jpg", "pink primrose", "test"),
        ("jpg/image_00006.jpg", "blackberry lily", "test"),
    ],
}


def listed(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [
        (dataset.short_name(i), dataset.classes[dataset.labels[i]], str(dataset.parts[i]))
        for i in range(len(dataset))
    ]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_gives_its_pictures_classes_and_parts(tmp_path: Path, name: str) -> None:
    dataset = open_dataset(LAYOUTS[name](tmp_path / name))
    assert listed(dataset) == EXPECTED[name]
    assert "read as" in dataset.notes[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_picture_of_a_layout_is_the_one_of_its_name(tmp_path: Path, name: str) -> None:
    root = LAYOUTS[name](tmp_path / name)
    dataset = open_dataset(root)
    for i in range(len(dataset)):
        below = dataset.short_name(i)
        if ".tar/" in below:
            continue
        short = [below, below.removeprefix("images/"), below.removeprefix("jpg/")]
        assert dataset.samples.read(i) in [trees.picture(each) for each in short]


def test_pictures_in_the_tar_files_of_imagenet21k_are_read(tmp_path: Path) -> None:
    dataset = open_dataset(trees.imagenet21k(tmp_path / "x"))
    assert [dataset.samples.read(i) for i in range(3)] == [trees.picture(name) for name in ("c", "b2", "b1")]


def test_columns_of_cub_are_boxes_and_parts(tmp_path: Path) -> None:
    columns = open_dataset(trees.cub200(tmp_path)).columns
    assert columns["box"].tolist() == [
        [60, 27, 325, 304],
        [139, 30, 153, 264],
        [14, 112, 388, 186],
        [112, 90, 255, 242.5],
    ]
    assert columns["parts"].shape == (4, 15, 3)
    assert columns["parts"][1, 4].tolist() == [20, 5, 1]
    assert columns["parts"][2, 6].tolist() == [0, 0, 0]


def test_columns_of_caltech_are_boxes_from_left_and_top(tmp_path: Path) -> None:
    """top 3, bottom 5, left 2, right 8, counted from 1."""
    boxes = open_dataset(trees.caltech101(tmp_path)).columns["box"]
    np.testing.assert_array_equal(boxes, [[1, 2, 6, 2], [np.nan] * 4, [np.nan] * 4, [0, 0, 6, 5]])


def test_columns_of_pets_are_species_and_boxes_round_the_head(tmp_path: Path) -> None:
    columns = open_dataset(trees.pets(tmp_path)).columns
    assert columns["species"].tolist() == ["cat", "dog", "cat", "dog"]
    np.testing.assert_array_equal(columns["box"], [[2, 1, 4, 4], *[[np.nan] * 4] * 3])


def test_office_tells_its_domains_apart(tmp_path: Path) -> None:
    root = trees.office31(tmp_path)
    assert open_dataset(root).columns["domain"].tolist() == ["amazon", "amazon", "amazon", "dslr", "webcam"]
    one = open_dataset(root / "amazon")
    assert (one.name, [name for name, *_ in listed(one)]) == (
        "office-31/amazon",
        ["images/back_pack/frame_0001.jpg", "images/back_pack/frame_0002.jpg", "images/mug/frame_0001.jpg"],
    )


def test_the_fold_chooses_the_published_split_of_sun(tmp_path: Path) -> None:
    dataset = open_dataset(trees.sun397(tmp_path), Reading(published_split=2))
    assert [(name, part) for name, _, part in listed(dataset)][:2] == [
        ("a/abbey/sun_aaa.jpg", "train"),
        ("a/apartment_building/outdoor/sun_eee.jpg", "train"),
    ]
    with pytest.raises(UserError, match=r"published_split must be .* got 11: no Training_11\.txt"):
        open_dataset(tmp_path, Reading(published_split=11))


def test_sun_without_splits_gives_all_its_pictures(tmp_path: Path) -> None:
    dataset = open_dataset(trees.sun397(tmp_path, partitions=False))
    assert [(name, part) for name, _, part in listed(dataset)] == [
        ("a/abbey/sun_aaa.jpg", ""),
        ("a/abbey/sun_bbb.jpg", ""),
        ("a/abbey/sun_ccc.jpg", ""),
        ("a/apartment_building/outdoor/sun_ddd.jpg", ""),
        ("a/apartment_building/outdoor/sun_eee.jpg", ""),
    ]


def test_what_a_layout_leaves_out_is_said(tmp_path: Path) -> None:
    assert "BACKGROUND_Google was left out" in open_dataset(trees.caltech101(tmp_path / "c")).notes[1]
    assert "test pictures were left out" in open_dataset(trees.ilsvrc(tmp_path / "i")).notes[1]


def test_plain_folders_of_imagenet_bear_the_names_that_networks_give(tmp_path: Path) -> None:
    trees.write(tmp_path, "train/n01440764/a.JPEG", "train/n02012849/b.JPEG", "val/n03126707/c.JPEG")
    assert listed(open_dataset(tmp_path)) == [
        ("train/n01440764/a.JPEG", "tench", "train"),
        ("train/n02012849/b.JPEG", "crane bird", "train"),
        ("val/n03126707/c.JPEG", "crane", "val"),
    ]


def test_imagenet_s_flat_validation_folder_is_left_out_with_a_word(tmp_path: Path) -> None:
    trees.write(
        tmp_path, "train/n01440764/a.JPEG", "train/n02012849/b.JPEG", "val/ILSVRC2012_val_00000001.JPEG"
    )
    dataset = open_dataset(tmp_path)
    assert dataset.parts.tolist() == ["train", "train"]
    assert dataset.notes[1:] == (
        "left out: val, whose pictures lie in no folder of a WordNet id and have no labels",
    )


def test_synsets_that_share_a_name_are_told_apart(tmp_path: Path) -> None:
    trees.write(tmp_path, "n00000001/a.jpg", "n00000002/b.jpg")
    trees.texts(tmp_path, {"words.txt": "n00000001\tmouse, rodent\nn00000002\tmouse, device\n"})
    assert open_dataset(tmp_path).classes == ("mouse (n00000001)", "mouse (n00000002)")


def test_the_1000_classes_are_in_the_order_of_the_ids_and_of_the_published_outputs() -> None:
    from neocog.weights.published import imagenet_classes

    lines = [line.split(maxsplit=1) for line in class_names("ilsvrc-2012")]
    assert [wnid for wnid, _ in lines] == sorted({wnid for wnid, _ in lines})
    assert len(set(imagenet_classes())) == len(lines) == 1000
    known = {  # places that the literature knows
        0: ("n01440764", "tench"),
        1: ("n01443537", "goldfish"),
        207: ("n02099601", "golden retriever"),
        999: ("n15075141", "toilet tissue"),
    }
    assert {i: (lines[i][0], imagenet_classes()[i]) for i in known} == known


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist", "cifar-10"])
def test_ten_class_names_are_given(name: str) -> None:
    assert len(set(class_names(name))) == 10


@pytest.mark.parametrize(
    ("name", "count"), [("cifar-100", 100), ("cifar-100-coarse", 20), ("flowers-102", 102)]
)
def test_all_class_names_are_given(name: str, count: int) -> None:
    assert len(set(class_names(name))) == count


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        (
            "cub200",
            "image_class_labels.txt",
            "1 1\n2 3\n",
            r"image_class_labels.txt, row 2: must be a number from 1 to 2",
        ),
        (
            "cub200",
            "image_class_labels.txt",
            "9 1\n",
            r"row 1: must begin with the number of a picture of images.txt",
        ),
        (
            "cub200",
            "train_test_split.txt",
            "1 yes\n",
            r"train_test_split.txt, row 1: must end with 0 or 1, got 'yes'",
        ),
        ("cub200", "images.txt", "1\n", r"images.txt, line 1: must have 2 words, got '1'"),
        (
            "cub200",
            "bounding_boxes.txt",
            "1 60 27 nan 3\n",
            r"bounding_boxes.txt, row 1: must be a number, got 'nan'",
        ),
        (
            "cub200",
            "parts/part_locs.txt",
            "1 16 0 0 1\n",
            r"part_locs.txt, row 1: must be a number from 1 to 15",
        ),
        (
            "pets",
            "annotations/test.txt",
            "Abyssinian_10 1 3 1\n",
            r"test.txt, row 1: must be a number from 1 to 2",
        ),
        (
            "pets",
            "annotations/test.txt",
            "beagle_10 1 2 1\n",
            r"class 1 must be one breed, got Abyssinian and Beagle",
        ),
        ("pets", "annotations/xmls/Abyssinian_100.xml", "<a/>", r"must hold an object with a bndbox"),
        ("flowers102", "setid.mat", "no matrix", r"setid.mat is damaged or no MATLAB file"),
        ("caltech101", "Annotations/Faces_2/annotation_0001.mat", "x", r"annotation_0001.mat is damaged"),
        ("ilsvrc", "ILSVRC2012_devkit_t12/data/meta.mat", "x", r"meta.mat is damaged or no MATLAB file"),
        (
            "kaggle",
            "LOC_val_solution.csv",
            "a,b\nx,\n",
            r"LOC_val_solution.csv, line 2: must name a picture and a WordNet",
        ),
        (
            "sun397",
            "Partitions/Testing_01.txt",
            "/b/bar/sun_x.jpg\n",
            r"each picture must be in a class of .*ClassName.txt",
        ),
    ],
)
def test_what_is_wrong_in_a_layouts_files_is_told_with_its_place(
    tmp_path: Path, name: str, file: str, content: str, message: str
) -> None:
    root = LAYOUTS[name](tmp_path)
    (root / file).write_text(content)
    with pytest.raises(UserError, match=message):
        open_dataset(root)


def test_ground_truth_of_ilsvrc_must_be_numbers_of_classes(tmp_path: Path) -> None:
    root = trees.ilsvrc(tmp_path)
    truth = root / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("2\n9\n")
    with pytest.raises(UserError, match=r"ground_truth.txt, row 2: must be a number from 1 to 3, got '9'"):
        open_dataset(root)
    truth.write_text("2\n1\n3\n")
    with pytest.raises(UserError, match="must have a label, got none for .*val_00000004.JPEG"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("labels", "sets", "message"),
    [
        ([[77, 1, 103, 77, 1, 2]], {}, r"imagelabels.mat: label 3 must be from 1 to 102, got 103"),
        ([[77, 1, 2, 77, 1, 2]], {"tstid": [[7]]}, r"setid.mat: tstid must hold numbers from 1 to 6"),
        ([[77, 1, 2, 77, 1, 2]], {"tstid": [[4]]}, r"setid.mat: picture 4 must be in one part, got two"),
    ],
)
def test_flowers_with_numbers_out_of_range_are_refused(
    tmp_path: Path, labels: list[list[int]], sets: dict[str, list[list[int]]], message: str
) -> None:
    root = trees.flowers102(tmp_path)
    savemat(root / "imagelabels.mat", {"labels": np.array(labels)})
    chosen = {"trnid": [[4]], "valid": [[2]], "tstid": [[6]]} | sets
    savemat(root / "setid.mat", {name: np.array(ids) for name, ids in chosen.items()})
    with pytest.raises(UserError, match=message):
        open_dataset(root)
