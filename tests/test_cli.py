"""The command through its real door: every verb with the arguments that a person types."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from door import neocog, refused
from neocog.data.builtin import HERE

PHOTOS, WHOLE = HERE / "photos", HERE / "whole"


def copy_photos(folder: Path, classes: tuple[str, ...] = ("cat", "coffee", "rocket"), count: int = 8) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for path in sorted((PHOTOS / name).glob("*.jpg"))[:count]:
            shutil.copy(path, folder / name)
    return folder


def listing(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one trained run, `runs/last`, on three classes with bad files among them."""
    here = tmp_path_factory.mktemp("work")
    data = copy_photos(here / "my ünï photos")
    (data / "cat" / "zero.jpg").write_bytes(b"")
    whole = (PHOTOS / "cat" / "chelsea-01.jpg").read_bytes()
    (data / "cat" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (data / "rocket" / "text.jpg").write_text("I am a text")
    before = listing(data)
    done = neocog("train", data, "--json", cwd=here)
    (here / "train.json").write_text(done.stdout)
    assert listing(data) == before, "the user's folder was changed"
    return here


def test_train_reports_its_figures_as_json(place: Path) -> None:
    figures = json.loads((place / "train.json").read_text())
    wanted = [
        "run",
        "model",
        "recipe",
        "classes",
        "top1",
        "top5",
        "top1_interval",
        "n_train",
        "n_val",
        "leakage",
        "interrupted",
        "beside_probe",
        "skipped",
        "quarantined",
        "seconds",
    ]
    assert list(figures) == wanted
    assert figures["classes"] == ["cat", "coffee", "rocket"]
    assert figures["n_train"] + figures["n_val"] == 24
    assert figures["n_val"] == 6  # two of eight in each class
    assert {Path(row["path"]).name for row in figures["skipped"]} == {"zero.jpg", "half.jpg", "text.jpg"}
    assert (place / "runs" / "last").resolve() == (place / figures["run"]).resolve()


def test_the_run_folder_holds_what_it_promises(place: Path) -> None:
    run = place / "runs" / "last"
    wanted = {"golden.safetensors", "metrics.csv", "model.json", "model.safetensors", "predictions.csv"}
    assert {path.name for path in run.iterdir()} == wanted | {"report.html", "run.json", "split.csv"}
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    figures = json.loads((place / "train.json").read_text())
    assert sum(row["label1"] == row["truth"] for row in rows) / len(rows) == figures["top1"]
    parts = [row["part"] for row in csv.DictReader((run / "split.csv").read_text().splitlines())]
    assert (parts.count("train"), parts.count("val"), parts.count("skipped")) == (18, 6, 3)


def test_predict_keeps_the_order_and_names_what_it_skips(place: Path) -> None:
    names = [WHOLE / "rocket.jpg", place / "my ünï photos" / "cat" / "zero.jpg", WHOLE / "chelsea.jpg"]
    done = neocog("predict", "runs/last", *names, "--json", "-k", "2", cwd=place)
    rows = json.loads(done.stdout)
    assert [row["path"] for row in rows] == [str(name) for name in names]
    assert [row["predictions"][0]["label"] for row in rows if row["predictions"]] == ["rocket", "cat"]
    assert [len(row["predictions"]) for row in rows] == [2, 0, 2]
    assert "zero.jpg: empty file" in done.stderr


def test_predict_reads_a_list_from_stdin_and_writes_csv(place: Path) -> None:
    names = [WHOLE / "coffee.jpg", WHOLE / "rocket.jpg"]
    done = neocog("predict", "runs/last", "-", "--csv", cwd=place, stdin="\n".join(map(str, names)))
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["label1"] for row in rows] == ["coffee", "rocket"]
    assert [row["path"] for row in rows] == [str(name) for name in names]
    assert sum(float(rows[0][f"probability{k}"]) for k in (1, 2, 3)) == pytest.approx(1, abs=1e-5)


def test_predict_takes_a_folder_without_classes(place: Path) -> None:
    done = neocog("predict", "runs/last", WHOLE, "--json", cwd=place)
    assert [Path(row["path"]).name for row in json.loads(done.stdout)] == sorted(
        p.name for p in WHOLE.iterdir()
    )


def test_imagenet_classes_come_without_training(place: Path) -> None:
    done = neocog(
        "predict", "efficientnet_lite0", WHOLE / "chelsea.jpg", WHOLE / "coffee.jpg", "--json", cwd=place
    )
    cat, coffee = json.loads(done.stdout)
    assert {row["label"] for row in cat["predictions"][:3]} == {"tabby", "tiger cat", "Egyptian cat"}
    assert coffee["predictions"][0]["label"] == "espresso"


def test_eval_matches_labels_by_name(place: Path, tmp_path: Path) -> None:
    """A missing class, one that the model does not know, and another order of the folders."""
    data = copy_photos(tmp_path / "data", ("rocket", "brick", "cat"))
    done = neocog("eval", "runs/last", data, "--json", cwd=place)
    figures = json.loads(done.stdout)
    assert list(figures)[:4] == ["top1", "top5", "top1_interval", "n"]
    assert figures["n"] == 24
    assert figures["per_class"]["brick"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 8}
    rows = json.loads(neocog("predict", "runs/last", data, "--json", cwd=place).stdout)
    right = sum(Path(row["path"]).parent.name == row["predictions"][0]["label"] for row in rows)
    assert figures["top1"] == right / 24
    assert "does not know brick" in done.stderr


def test_eval_says_how_many_pictures_trained_the_model(place: Path) -> None:
    done = neocog("eval", "runs/last", "my ünï photos", "--json", cwd=place)
    assert json.loads(done.stdout)["n"] == 24
    assert json.loads(done.stdout)["leakage"]["same"] == 18
    assert "18 of these pictures trained the model" in done.stderr


def test_json_is_whole_even_where_nothing_can_be_read(place: Path) -> None:
    bad = place / "my ünï photos" / "cat" / "zero.jpg"
    done = neocog("predict", "runs/last", bad, "--json", cwd=place, ok=False)
    assert done.returncode == 2
    assert [row["predictions"] for row in json.loads(done.stdout)] == [[]]
    assert "empty list" in refused("predict", "runs/last", "-", "--json", cwd=place)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_results_go_to_their_file_while_a_bar_runs_on_the_terminal(place: Path) -> None:
    import pty

    terminal, inner = pty.openpty()
    with (place / "out.json").open("w") as file:
        command = [sys.executable, "-m", "neocog", "predict", "runs/last", str(WHOLE), "--json"]
        with subprocess.Popen(command, cwd=place, stdout=file, stderr=inner) as job:
            os.close(inner)
            shown = b""
            with contextlib.suppress(OSError):  # how Linux says that the other end is closed
                while data := os.read(terminal, 4096):
                    shown += data
            job.wait(timeout=60)
    os.close(terminal)
    assert len(json.loads((place / "out.json").read_text())) == 6
    assert "━".encode() in shown
    assert b"predictions" not in shown


def test_eval_without_a_common_class_shows_both_lists(place: Path) -> None:
    said = refused("eval", "runs/last", "builtin/digits", cwd=place)
    assert "cat, coffee, rocket" in said
    assert "0, 1, 2" in said


def test_verify_agrees_on_every_engine(place: Path) -> None:
    verdict = json.loads(neocog("verify", "runs/last", "--json", cwd=place).stdout)
    assert verdict["ok"]
    assert set(verdict["differences"]) == {"torch", "openvino"}
    assert max(verdict["differences"].values()) < 1e-4


def test_verify_fails_with_1_when_the_answers_differ(place: Path, tmp_path: Path) -> None:
    from neocog.bundle import Golden, read_bundle, read_golden, write_bundle

    run = place / "runs" / "last"
    golden = read_golden(run)
    write_bundle(
        tmp_path / "other", read_bundle(run), Golden(golden.pictures, golden.probabilities[::-1].copy())
    )
    done = neocog("verify", tmp_path / "other", cwd=place, ok=False)
    assert done.returncode == 1
    assert "computes something else" in done.stdout


def test_a_moved_run_predicts_the_same_without_its_data(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "runs" / "last", tmp_path / "moved")
    here = neocog("predict", "runs/last", WHOLE / "rocket.jpg", "--json", cwd=place).stdout
    assert neocog("predict", tmp_path / "moved", WHOLE / "rocket.jpg", "--json", cwd=tmp_path).stdout == here


def test_models_lists_parameters_and_weights(tmp_path: Path) -> None:
    rows = {row["model"]: row for row in json.loads(neocog("models", "--json", cwd=tmp_path).stdout)}
    assert rows["lenet5_modern"]["parameters"] == 61_706
    assert rows["efficientnet_lite0"]["parameters"] == 4_652_008
    assert rows["efficientnet_lite0"]["MACs"] == 385_187_552


def test_bench_measures_each_engine(place: Path) -> None:
    done = neocog("bench", "lenet5_modern", "-b", "2", "--seconds", "0.1", "--json", cwd=place)
    rows = json.loads(done.stdout)["rows"]
    assert [row["engine"] for row in rows] == ["openvino", "torch"]
    assert all(row["img/s"] > 0 and row["latency ms"] > 0 for row in rows)


def test_doctor_finds_this_installation_well(tmp_path: Path) -> None:
    rows = {row["what"]: row for row in json.loads(neocog("doctor", "--json", cwd=tmp_path).stdout)}
    assert rows["engine openvino"]["well"]
    assert rows["weights efficientnet_lite0"]["well"]


def test_digits_set_lenet_beside_support_vector_machines(tmp_path: Path) -> None:
    done = neocog(
        "train", "builtin/digits", "--epochs", "20", "--output", "out", cwd=tmp_path
    )  # half as many
    assert "linear SVM on pixels" in done.stdout
    assert "RBF SVM on pixels" in done.stdout
    assert "0.9689 (match)" in done.stdout
    figures = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (figures["model"], figures["recipe"]) == ("lenet5_modern", "digits")
    assert figures["top1"] > 0.96
    rows = list(csv.DictReader((tmp_path / "out" / "metrics.csv").read_text().splitlines()))
    judged = ["eval_loss", "eval_top1", "eval_top5", "eval_balanced", "eval_macro_f1"]
    assert list(rows[0]) == ["epoch", "train_loss", *judged, "lr", "seconds", "data_wait"]
    assert all(0 <= float(row["data_wait"]) <= 1 for row in rows)
    assert float(rows[-1]["eval_top1"]) == pytest.approx(figures["top1"], abs=1e-9)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A training on folders of parts, with a class of one picture and one named by an escape code."""
    here = tmp_path_factory.mktemp("parts")
    data = copy_photos(here / "data" / "train", ("cat", "coffee", "rocket"), 6)
    for name in ("cat", "coffee", "rocket"):
        (here / "data" / "val" / name).mkdir(parents=True)
        shutil.move(sorted((data / name).iterdir())[0], here / "data" / "val" / name)
    copy_photos(data, ("coins",), 1)
    for part in (data, here / "data" / "val"):
        (part / "cat").rename(part / "c\x1b[31mat")
    done = neocog("train", "data", cwd=here)
    done.args = here
    return done


def test_folders_of_parts_are_used_as_they_are(parts: subprocess.CompletedProcess[str]) -> None:
    figures = json.loads((parts.args / "runs" / "last" / "run.json").read_text())
    assert (figures["n_train"], figures["n_val"]) == (16, 3)


def test_a_class_of_one_picture_trains_with_a_warning(parts: subprocess.CompletedProcess[str]) -> None:
    figures = json.loads((parts.args / "runs" / "last" / "run.json").read_text())
    assert figures["classes"] == ["c\x1b[31mat", "coffee", "coins", "rocket"]
    assert "coins has one picture" in parts.stderr


def test_labels_cannot_write_escape_codes_to_the_terminal(parts: subprocess.CompletedProcess[str]) -> None:
    done = neocog("predict", "runs/last", WHOLE / "chelsea.jpg", cwd=parts.args)
    assert "31mat" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr + parts.stdout + parts.stderr


def test_training_from_scratch_takes_any_model_and_recipe(tmp_path: Path) -> None:
    data = copy_photos(tmp_path / "data", ("cat", "rocket"), 6)
    done = neocog("train", data, "-m", "lenet5_modern", "--epochs", "2", "-j", "2", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["recipe"] == "scratch"
    assert len((tmp_path / "runs" / "last" / "metrics.csv").read_text().splitlines()) == 3
    assert neocog("predict", "runs/last", WHOLE / "rocket.jpg", cwd=tmp_path).stdout


def test_wrong_input_is_one_readable_line(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    one = copy_photos(tmp_path / "one", ("cat",))
    flat = tmp_path / "flat"
    shutil.copytree(WHOLE, flat)
    bad = copy_photos(tmp_path / "bad", ("cat", "rocket"), 2)
    for path in (bad / "cat").iterdir():
        path.write_bytes(b"nothing")
    copy_photos(tmp_path / "two", ("cat", "rocket"), 2)
    mixed = tmp_path / "mixed"
    copy_photos(mixed / "train", ("cat", "rocket"), 2)
    shutil.copytree(WHOLE, mixed / "test")
    said = {
        "does not exist": ("train", tmp_path / "nowhere"),
        "got no picture in": ("train", tmp_path / "empty"),
        "two classes or more": ("train", one),
        "got no label in flat; sort the pictures": ("train", flat),
        "got none for cat": ("train", bad),
        "did you mean builtin/digits": ("train", "builtin/digit"),
        "did you mean efficientnet_lite0": ("train", "builtin/photos", "-m", "efficientnet_lit0"),
        "epochs must be at least 1": ("train", "builtin/digits", "--epochs", "0"),
        "got test; move it elsewhere": ("train", mixed),
        "may not lie among the pictures": (
            "train",
            one.parent / "two",
            "--output",
            one.parent / "two" / "run",
        ),
        "topk must be at least 1": ("predict", "runs/last", WHOLE, "--csv", "-k", "0"),
        "a frozen network has no epochs": ("train", "builtin/photos", "--epochs", "3"),
        "probe has no lr": ("train", "builtin/photos", "--recipe", "probe", "--lr", "1"),
        "engine must be one of": ("predict", "runs/last", WHOLE, "--engine", "warp"),
        "must name a new or empty folder": ("train", "builtin/photos", "--output", place / "runs" / "last"),
        "unknown run or pretrained model": ("predict", "nothing", WHOLE),
        "no picture could be read": ("predict", "runs/last", bad / "cat"),
    }
    for words, arguments in said.items():
        assert words in refused(*arguments, cwd=place)


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_an_output_place_that_cannot_be_written_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refused("train", "builtin/photos", "--output", tmp_path / "file" / "run", cwd=tmp_path)
    assert "cannot make the folder" in said


def test_a_damaged_or_newer_bundle_is_refused(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "runs" / "last", run)
    data = bytearray((run / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (run / "model.safetensors").write_bytes(data)
    assert "is damaged" in refused("predict", run, WHOLE, cwd=tmp_path)
    card = json.loads((run / "model.json").read_text())
    (run / "model.json").write_text(json.dumps(card | {"format": 99}))
    assert "install a newer neocog" in refused("predict", run, WHOLE, cwd=tmp_path)
    (run / "model.json").write_text("{")
    assert "is damaged" in refused("predict", run, WHOLE, cwd=tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_an_interrupted_training_keeps_the_weights_so_far(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "neocog", "train", "builtin/digits", "--epochs", "5000"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr
        while not job.stderr.readline().startswith("epoch 1:"):  # all of them would take hours
            assert job.poll() is None
        job.send_signal(signal.SIGINT)
        _, said = job.communicate(timeout=120)
    assert job.returncode == 130, said
    assert "interrupted: saved; the same command with --resume runs/digits-1 goes on from there" in said
    assert "Traceback" not in said
    assert neocog("verify", "runs/last", cwd=tmp_path).returncode == 0


def test_help_and_version_load_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['neocog', '--help']\n"
        "from neocog.cli.main import run\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    run()\n"
        "print(sorted({'torch', 'numpy', 'sklearn', 'openvino', 'PIL'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_warm_prediction_does_not_import_torch(place: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['neocog', 'predict', 'runs/last', {str(WHOLE / 'rocket.jpg')!r}]\n"
        "from neocog.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('torch' in sys.modules, 'sklearn' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=place, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_an_animated_and_a_turned_picture_go_the_same_way(place: Path, tmp_path: Path) -> None:
    """What a phone or the web gives: a picture turned by EXIF is the upright one."""
    upright = Image.open(WHOLE / "rocket.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    done = neocog(
        "predict", "runs/last", tmp_path / "turned.png", tmp_path / "upright.png", "--json", cwd=place
    )
    turned, straight = (row["predictions"] for row in json.loads(done.stdout))
    assert turned == straight
