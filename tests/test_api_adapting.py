"""Which pictures an adaptation learns from and judges by, how its classes are matched, and what its table says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

import neocog
from neocog.api.adapting.draws import splits
from neocog.api.adapting.judged import outcomes, without_slow
from neocog.api.adapting.options import Asked, asked
from neocog.api.adapting.pair import Pair, paired, with_column
from neocog.api.adapting.places import places_of
from neocog.api.adapting.result import Adaptation
from neocog.api.embedding.features import Embedded, Origin
from neocog.data.dataset import Dataset
from neocog.data.samples import as_samples
from neocog.errors import UserError
from neocog.progress import Silent

Floats = NDArray[np.float32]
ORIGIN = Origin(
    "net", "", {"features": "0" * 64}, "mean", "center", {"size": [8, 8]}, "float32", "drawn by hand"
)


def domain(
    name: str, counts: dict[str, int], seed: int, shift: float = 0.0, unlabelled: int = 0, d: int = 6
) -> Embedded:
    """Blobs, one for each class by its name; `shift` moves and stretches all of them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([*range(len(counts)), -1], [*counts.values(), unlabelled])
    places = {each: np.random.default_rng(sum(each.encode())).normal(size=d) * 3 for each in counts}
    centres = np.array([*places.values(), np.zeros(d)])
    rows = centres[labels] + rng.normal(size=(len(labels), d))
    rows = rows * (1 + shift * rng.uniform(size=d)) + shift * 5
    pictures = as_samples(np.zeros((len(labels), 2, 2, 3), np.uint8))
    data = Dataset(name, pictures, labels, tuple(counts), np.full(len(labels), ""))
    hashes = np.random.default_rng([seed, 1]).integers(0, 256, (len(labels), 32), dtype=np.uint8)
    return Embedded(data, {"features": rows.astype(np.float32)}, hashes, (), ORIGIN, 0, "torch")


SOURCE = {"cat": 30, "dog": 25, "owl": 22}
TARGET = {"owl": 9, "cat": 12, "dog": 8}


def pair(unlabelled: int = 0) -> Pair:
    return paired(domain("a", SOURCE, 0), domain("b", TARGET, 1, 1.0, unlabelled))


@given(
    labels=st.integers(0, 7),
    per_class=st.one_of(st.none(), st.integers(1, 40)),
    times=st.integers(1, 4),
    seed=st.integers(0, 99),
    unlabelled=st.integers(0, 5),
)
@settings(max_examples=40)
def test_draws_give_each_class_its_labels_and_judge_all_others(
    labels: int, per_class: int | None, times: int, seed: int, unlabelled: int
) -> None:
    both = pair(unlabelled)
    what = Asked(labels_per_class=labels, source_per_class=per_class, splits=times, seed=seed)
    found = splits(both, what)
    assert len(found) == times
    for split in found:
        wanted = 20 if per_class is None else per_class
        counts = np.bincount(both.source.labels[split.source], minlength=3)
        assert counts.tolist() == [min(wanted, n) for n in SOURCE.values()]
        assert np.bincount(both.target.labels[split.labelled], minlength=3).tolist() == [labels] * 3
        everyone = np.concatenate([split.labelled, split.judged])
        assert sorted(everyone) == np.flatnonzero(both.target.labels >= 0).tolist()
        assert (split.seen[: len(split.labelled)] == split.labelled).all()
        assert sorted(split.seen) == list(range(29 + unlabelled))


def test_draws_follow_the_pictures_not_their_order() -> None:
    one = pair()
    order = np.random.default_rng(0).permutation(len(one.target))
    other = replace(
        one,
        target=replace(
            one.target,
            labels=one.target.labels[order],
            hashes=one.target.hashes[order],
            features={"features": one.target.features["features"][order]},
        ),
    )
    for mine, theirs in zip(splits(one, Asked()), splits(other, Asked()), strict=True):
        assert sorted(map(bytes, one.target.hashes[mine.labelled])) == sorted(
            map(bytes, other.target.hashes[theirs.labelled])
        )


def test_a_source_with_few_pictures_gives_eight_a_class() -> None:
    few = paired(domain("a", {"cat": 30, "dog": 19}, 0), domain("b", {"cat": 9, "dog": 9}, 1))
    for split in splits(few, Asked()):
        assert np.bincount(few.source.labels[split.source]).tolist() == [8, 8]


def test_fewer_labels_than_asked_for_are_refused_by_name() -> None:
    with pytest.raises(
        UserError, match=r"needs 9 different pictures, 8 labelled.*got 8 of dog; ask for fewer"
    ):
        splits(pair(), Asked(labels_per_class=8))


def test_classes_are_matched_by_name_and_the_rest_is_left_out() -> None:
    source = domain("a", {"emu": 5, "cat": 6, "dog": 7}, 0)
    target = domain("b", {"dog": 8, "yak": 9, "cat": 4}, 1, unlabelled=3)
    both = paired(source, target)
    assert both.classes == ("cat", "dog")
    assert both.only == (("emu",), ("yak",))
    assert np.bincount(both.source.labels).tolist() == [6, 7]
    assert np.bincount(both.target.labels + 1).tolist() == [3, 4, 8]  # unlabelled ones stay, yaks go
    for each, embedded in ((both.source, source), (both.target, target)):
        for label, name in enumerate(both.classes):
            mine = each.features["features"][each.labels == label]
            theirs = embedded.features["features"][
                embedded.dataset.labels == embedded.dataset.classes.index(name)
            ]
            assert (mine == theirs).all()


@pytest.mark.parametrize(
    ("classes", "said"), [({"yak": 4, "emu": 4}, "got none"), ({"cat": 4, "emu": 4}, "got only cat")]
)
def test_domains_without_common_classes_are_refused(classes: dict[str, int], said: str) -> None:
    with pytest.raises(
        UserError, match=f"share two classes or more by name, {said}: the source has cat, dog"
    ):
        paired(domain("a", {"cat": 5, "dog": 5}, 0), domain("b", classes, 1))


def test_features_of_another_network_are_refused() -> None:
    other = replace(domain("b", TARGET, 1), origin=replace(ORIGIN, model="another"))
    with pytest.raises(UserError, match=r"the target b is of model another, not net"):
        paired(domain("a", SOURCE, 0), other)


def test_pictures_that_lie_in_both_domains_do_not_train() -> None:
    source, target = domain("a", SOURCE, 0), domain("b", TARGET, 1)
    source.hashes[:4] = target.hashes[:4]
    both = paired(source, target)
    assert len(both.source) == sum(SOURCE.values()) - 4
    assert "4 pictures of the source left out: the same lie in the target." in both.notes


def test_what_is_asked_without_labels_in_the_target_has_no_row_that_needs_them() -> None:
    assert {row.method for row in asked({"labels_per_class": 0}).rows} == {
        "S", "gfk", "coral", "subspace", "dlid", "adabn",
    }  # fmt: skip
    with pytest.raises(UserError, match="T, daume learns from labels of the target"):
        asked({"labels_per_class": 0, "methods": ("T", "daume", "S")})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": ("gkf",)}, "did you mean gfk"),
        ({"behind": "svn"}, "did you mean svm"),
        ({"splits": 0}, "splits must be 1 or more, got 0"),
        ({"labels_per_class": -1}, "must be 0 .unsupervised. or more, got -1"),
        ({"source_per_class": 0}, "source pictures per class must be 1 or more"),
        ({"beside": "surf-bow"}, "is a classical method, classical:NAME, got surf-bow"),
        (
            {"beside": "classical:lbp,classical:surf"},
            "unknown classical method.*did you mean classical:surf-bow",
        ),
        ({"behind": "chi2-svm"}, "chi2-svm compares histograms, .* take another classifier"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        asked(options)  # type: ignore[arg-type]


def test_a_model_may_be_left_out_for_files_of_features_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("a.npz", "b.safetensors")]
    for file in files:
        file.touch()
    with pytest.raises(
        UserError, match="MODEL may be left out only where both domains are files of features"
    ):
        places_of(None, tmp_path, files[1], None, {})
    assert [place.features for place in places_of(None, *files, None, {})] == files
    given = {"layers": ["fc6"], "part": "test"}
    assert [place.options for place in places_of(None, *files, None, given)] == [given, given]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places_of(None, "~/a.npz", files[1], None, {})[0].features == files[0]


def test_domains_of_one_data_set_are_told_apart_by_its_column() -> None:
    data = domain("office", {"cat": 3, "dog": 3}, 0).dataset
    data = replace(data, columns={"domain": np.array(["amazon", "webcam"] * 3)})
    one, other = places_of("net", "amazon", "webcam", data, {"engine": "torch"})
    assert isinstance(one.data, Dataset)
    assert isinstance(other.data, Dataset)
    assert (one.data.columns["domain"] == "amazon").all()
    assert (len(one.data), len(other.data), other.data.name) == (3, 3, "office/webcam")
    assert one.options == {"engine": "torch"}
    with pytest.raises(UserError, match="unknown domain 'dslr'; there are amazon, webcam"):
        places_of("net", "amazon", "dslr", data, {})
    with pytest.raises(UserError, match=r"must have a column domain \(or group\)"):
        places_of("net", "amazon", "webcam", domain("x", SOURCE, 0).dataset, {})


def test_figures_of_a_row_are_those_of_scikit_learn_on_the_same_draws() -> None:
    """Without adaptation, at the strength that was chosen."""
    from neocog.probing.choose import fit_best
    from neocog.probing.kinds import KINDS

    both, what = pair(), asked({"methods": ("S", "ST"), "splits": 2})
    drawn = splits(both, what)
    found = {each.row.name: each for each in outcomes(both, None, drawn, what, Silent())}
    for name, pooled in (("Logistic Reg. (S)", False), ("Logistic Reg. (ST)", True)):
        for i, split in enumerate(drawn):
            x = [both.source.features["features"][split.source]]
            y = [both.source.labels[split.source]]
            if pooled:
                x.append(both.target.features["features"][split.labelled])
                y.append(both.target.labels[split.labelled])
            rows, labels = np.concatenate(x), np.concatenate(y)
            strength = fit_best(KINDS["logreg"], rows, labels, 3, i).strength
            scaler = StandardScaler().fit(rows)
            model = LogisticRegression(C=strength, tol=1e-8, max_iter=9999)
            model.fit(scaler.transform(rows), labels)
            judged = scaler.transform(both.target.features["features"][split.judged])
            expected = balanced_accuracy_score(both.target.labels[split.judged], model.predict(judged))
            assert found[name].balanced[i] == pytest.approx(expected)
    mean, deviation = np.mean(found[name].balanced), np.std(found[name].balanced, ddof=1)
    assert str(found[name]) == f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def only(found: Embedded, rows: NDArray[np.bool_]) -> Embedded:
    features = {layer: x[rows] for layer, x in found.features.items()}
    data = found.dataset.select(np.flatnonzero(rows))
    return replace(found, dataset=data, features=features, hashes=found.hashes[rows])


def test_a_column_leaves_out_what_its_method_makes_nothing_of_but_no_class() -> None:
    source, target = domain("a", SOURCE, 0), domain("b", TARGET, 1)
    both = paired(source, target)
    found = with_column(both, "lbp", only(source, np.arange(77) >= 5), target)
    assert np.bincount(found.source.labels).tolist() == [25, 25, 22]
    assert "lbp makes nothing of 5 pictures of a: left out." in found.notes
    with pytest.raises(UserError, match=r"got none of cat \(lbp makes nothing of them\)"):
        with_column(both, "lbp", only(source, source.dataset.labels != 0), target)


def test_the_same_pictures_are_no_two_domains() -> None:
    with pytest.raises(UserError, match=r"got none of cat, dog, owl \(they also lie in the target\)"):
        paired(domain("a", SOURCE, 0), domain("b", SOURCE, 0))


def test_a_target_without_any_label_judges_nothing() -> None:
    found = domain("b", TARGET, 1)
    bare = replace(found.dataset, labels=np.full(len(found.dataset), -1))
    both = paired(domain("a", SOURCE, 0), replace(found, dataset=bare))
    with pytest.raises(UserError, match="need labels, got none in b"):
        splits(both, Asked(labels_per_class=0))


def test_pictures_of_several_classes_are_refused() -> None:
    found = domain("b", TARGET, 1)
    several = replace(found.dataset, targets=np.ones((len(found.dataset), 3), bool))
    with pytest.raises(UserError, match="one class for each picture"):
        paired(domain("a", SOURCE, 0), replace(found, dataset=several))


def grouped(groups: list[str]) -> Pair:
    found = domain("b", TARGET, 1)
    data = replace(found.dataset, columns={"group": np.array(groups)})
    return paired(domain("a", SOURCE, 0), replace(found, dataset=data))


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=29, max_size=29), st.integers(0, 9))
def test_pictures_of_a_labelled_ones_group_do_not_judge(groups: list[str], seed: int) -> None:
    both, what = grouped(groups), Asked(labels_per_class=1, splits=2, seed=seed)
    try:
        found = splits(both, what)
    except UserError as error:
        assert "each class of the target needs a group without labels" in str(error)
        return
    for split, plain in zip(found, splits(pair(), what), strict=True):
        mine = {groups[i] for i in split.labelled} - {""}
        assert sorted(split.labelled) == sorted(plain.labelled)  # what is drawn stays as it was
        assert split.judged.tolist() == [i for i in plain.judged if groups[i] not in mine]
        assert sorted([*split.judged, *split.kin]) == sorted(plain.judged)


def test_that_a_group_does_not_judge_is_said() -> None:
    both = grouped(["x", "x", *(str(i) for i in range(27))])
    for seed in range(50):
        found = splits(both, Asked(splits=1, seed=seed))
        if len(found[0].kin):
            break
    said = Adaptation(both, found, Asked(), ()).notes()
    assert "1 picture of the target shares a group with a labelled one and does not judge." in said


def test_a_group_that_tells_domains_apart_is_none_within_a_domain() -> None:
    data = domain("x", {"cat": 3, "dog": 3}, 0).dataset
    data = replace(data, columns={"group": np.array(["a", "b"] * 3)})
    for place in places_of("net", "a", "b", data, {}):
        assert isinstance(place.data, Dataset)
        assert "group" not in place.data.columns


def found_with(methods: tuple[str, ...], seed: int = 0, splits_of: int = 4, shift: float = 1.0) -> Adaptation:
    both = paired(domain("a", SOURCE, 0), domain("b", TARGET, 1, shift))
    what = asked({"methods": methods, "splits": splits_of, "seed": seed})
    drawn = splits(both, what)
    return Adaptation(both, drawn, what, tuple(outcomes(both, None, drawn, what, Silent())))


def test_the_best_that_adapts_is_tested_beside_the_best_that_does_not() -> None:
    """Student's t over the draws and pictures, by scipy from the right answers alone."""
    found = found_with(("S", "coral"))
    two = found.comparison
    assert two
    first = next(each for each in found.outcomes if each.row.method == "coral")
    second = max(found.outcomes[:2], key=lambda each: np.mean(each.balanced))
    assert (two.first, two.second) == (first.row.name, second.row.name)
    differences = np.subtract(first.balanced, second.balanced)
    assert two.difference == pytest.approx(differences.mean())
    labels = found.pair.target.labels
    added = np.zeros(len(labels))
    for split, mine, theirs in zip(found.splits, first.right, second.right, strict=True):
        truth = labels[split.judged]
        each = 1 / (3 * np.bincount(truth)[truth])
        added[split.judged] += (mine.astype(float) - theirs) * each / 4
    judges = added[np.unique(np.concatenate([split.judged for split in found.splits]))]
    error = np.sqrt(differences.var(ddof=1) / 4 + len(judges) * judges.var(ddof=1))
    expected = stats.t(3, two.difference, error).interval(0.95)
    assert two.interval == pytest.approx(expected)
    assert two.p == pytest.approx(2 * stats.t.sf(abs(two.difference) / error, 3))
    assert any(note.startswith(f"{two.verdict}.") for note in found.notes())
    assert found.to_json()["comparison"]["equal"] == (two.p >= 0.05)


def test_the_page_says_whether_adaptation_gains_anything() -> None:
    none, much = found_with(("ST", "coral"), splits_of=2, shift=0.0), found_with(("S", "coral"), shift=6.0)
    for found, verdict in ((none, "not distinguishable"), (much, "p = ")):
        best = max(np.mean(each.balanced) for each in found.outcomes)
        assert found.page.said == f"{100 * best:.1f} % mean per-class accuracy"
        assert verdict in found.page.detail
    assert "the best without adaptation, " in much.page.detail
    assert any("compared on the pictures that judge" in note for note in much.notes())
    alone = found_with(("coral",), splits_of=1)
    assert alone.comparison is None
    assert alone.to_json()["comparison"] is None


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (("S", "ST"), ""),
        (("S", "coral"), "The method of Sun sees the target's pictures without labels while it adapts"),
        (("gfk", "coral", "subspace"), "The methods of Gong, Sun and Fernando see the target's"),
    ],
)
def test_only_methods_that_ran_are_said_to_see_the_target(methods: tuple[str, ...], said: str) -> None:
    notes = [note for note in found_with(methods, splits_of=1).notes() if "without labels" in note]
    assert [note.startswith(said) for note in notes] == [True] * bool(said)


@pytest.mark.parametrize("given", ["S, coral", ["S", "coral"], ["S,coral"], ("coral,S", "S")])
def test_names_may_be_joined_repeated_or_one_string(given: str | list[str]) -> None:
    assert [row.method for row in asked({"methods": given}).rows] == ["S", "S", "coral"]


def test_a_classifier_that_stands_behind_nothing_is_refused() -> None:
    for methods in ("S", "ST,mmdt"):
        with pytest.raises(UserError, match="have their own, got behind ridge"):
            asked({"methods": methods, "behind": "ridge"})
    assert {row.kind for row in asked({"methods": "coral", "behind": "ridge"}).rows} == {"ridge"}


def test_a_keyword_that_there_is_not_is_named() -> None:
    with pytest.raises(TypeError, match=r"adapt\(\) has no argument 'method'; did you mean methods"):
        neocog.adapt("efficientnet_lite0", source="a", target="b", method="S")  # type: ignore[call-arg]


def test_mmdt_is_left_out_where_it_would_take_minutes_unless_it_is_named() -> None:
    many = {f"class {i}": 4 for i in range(30)}
    both = paired(*(domain(name, many, seed, d=700) for seed, name in enumerate("ab")))
    what, said = without_slow(both, asked({}))
    assert {row.method for row in asked({}).rows} - {row.method for row in what.rows} == {"mmdt"}
    assert said[0].startswith(
        "Hoffman et al. (2013) is absent: with 30 classes and 700 features a draw takes minutes"
    )
    for kept in (asked({"methods": "S,mmdt"}), asked({"methods": "S"})):
        assert without_slow(both, kept) == (kept, ())
    assert without_slow(pair(), asked({})) == (asked({}), ())
