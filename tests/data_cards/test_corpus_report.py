"""What `kerley corpora check` finds by decoding images: sizes, near duplicates, metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_cards.corpora import find_corpus
from data_cards.corpus_figures import draw_counts, write_figures
from data_cards.corpus_metadata import measure_baselines
from data_cards.corpus_report import describe_report, inspect_corpus, to_json
from data_cards.image_survey import SurveyedImage, survey_images
from data_cards.label_table import write_label_table
from data_cards.study import Listing, list_studies
from tests.data_cards.corpus_trees import hash_tree
from tests.data_cards.test_commands import run  # noqa: F401 - a fixture


def draw(seed: int, side: int = 96) -> Image.Image:
    """Draw soft shapes: no two seeds give images that resemble each other."""
    rough = np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8)
    return Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC)


def write_corpus(root: Path, studies: int = 60) -> Listing:
    """60 patients of two classes; one class is larger, older, and mostly AP."""
    rows = []
    for n in range(studies):
        sick = n % 2 == 1
        path = root / f"{n}.png"
        draw(n, 120 if sick else 96).save(path)
        rows.append(
            {
                "corpus": "made",
                "study_id": f"s{n}",
                "patient_id": f"secret{n}",
                "split": "train" if n < studies * 0.7 else "test",
                "images": [{"path": str(path), "view": "AP" if sick else "PA"}],
                "class_name": "sick" if sick else "well",
                "age": 70.0 if sick else 30.0,
                "sex": "F",
            }
        )
    return list_studies("made", root, rows)


def test_a_corpus_whose_metadata_tell_the_class_is_warned_of(tmp_path):
    report = inspect_corpus(write_corpus(tmp_path))
    (baseline,) = report.baselines
    assert (baseline.label, baseline.classes) == ("class", {"sick": 30, "well": 30})
    assert baseline.baseline.auc.value == 1.0
    text = describe_report(report)
    assert "sizes: 96×96 30, 120×120 30" in text
    assert "LOOK: metadata alone tell class: AUC 1.00" in text
    assert "secret" not in text


def test_a_changed_copy_in_another_split_is_listed(tmp_path):
    write_corpus(tmp_path)
    draw(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "59.png", quality=75)
    (tmp_path / "58.png").write_bytes(b"\x89PNG broken")
    listing = write_corpus_again(tmp_path)
    report = inspect_corpus(listing)
    assert report.checks.problems == ()
    text = describe_report(report)
    assert "nearly equal: 0.png ~ 59.png" in text
    assert "does not decode: 58.png" in text
    assert report.warnings[:3] == (
        "1 groups of nearly equal images go across patients",
        "1 groups of nearly equal images go across splits",
        "1 images do not decode",
    )
    numbers = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert numbers["survey"]["near_duplicates"] == [["0.png", "59.png"]]
    assert sum(numbers["survey"]["distances"]) == 59 * 58 // 2


def write_corpus_again(root: Path) -> Listing:
    """List the files that lie in `root` already."""
    return list_studies(
        "made",
        root,
        [
            {
                "corpus": "made",
                "study_id": f"s{n}",
                "patient_id": f"secret{n}",
                "split": "train" if n < 42 else "test",
                "images": [{"path": str(root / f"{n}.png")}],
            }
            for n in range(60)
        ],
    )


def test_rare_classes_are_one():
    classes = ["sick"] * 25 + ["rare"] * 12 + ["rarer"] * 10
    images = [
        SurveyedImage(
            path=f"{n}.png",
            study={
                "corpus": "made",
                "study_id": str(n),
                "patient_id": str(n),
                "images": [],
                "class_name": name,
            },
            view="AP" if n % 3 else "PA",
            size=(96, 96),
            mode="L",
        )
        for n, name in enumerate(classes)
    ]
    (baseline,) = measure_baselines(images)
    assert baseline.classes == {"other": 22, "sick": 25}


def test_labels_of_a_table_are_told_apart_too(tmp_path):
    listing = write_corpus(tmp_path)
    rows = [
        {"study_id": f"s{n}", "Edema": n % 2, "Fracture": -1, "edema_severity": n % 2 * 3}
        for n in range(60)
    ]
    write_label_table(tmp_path / "labels.parquet", rows)
    report = inspect_corpus(listing, labels=tmp_path / "labels.parquet")
    assert [one.label for one in report.baselines] == ["class", "Edema", "edema_severity"]
    assert report.baselines[2].classes == {"0": 30, "3": 30}


def test_a_sample_keeps_patients_whole(tmp_path):
    rows = []
    for n in range(30):
        draw(n).save(tmp_path / f"{n}.png")
        image = {"path": str(tmp_path / f"{n}.png")}
        common = {"corpus": "made", "study_id": f"s{n}", "patient_id": f"p{n // 3}"}
        rows.append({**common, "images": [image]})
    survey = survey_images(list_studies("made", tmp_path, rows), at_most=10, seed=1)
    patients = [image.study["patient_id"] for image in survey.images]
    assert (len(patients), survey.of) == (9, 30)
    assert all(patients.count(patient) == 3 for patient in patients)


def test_figures_are_drawn_and_images_are_shown_on_request_alone(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    listing = write_corpus(root)
    before = hash_tree(root)
    report = inspect_corpus(listing)
    drawn = write_figures(tmp_path / "a", report, listing)
    assert [path.name for path in drawn] == ["counts.png", "ages.png", "sizes.png", "distances.png"]
    again = write_figures(tmp_path / "b", report, listing, with_samples=True)
    assert [path.name for path in again[4:]] == ["samples.png"]
    for one, other in zip(drawn, again, strict=False):
        assert one.read_bytes() == other.read_bytes()
        assert np.ptp(np.asarray(Image.open(one).convert("L"))) > 200
    assert hash_tree(root) == before


def test_nothing_is_drawn_of_images_that_were_not_decoded(tmp_path):
    (tmp_path / "film.dcm").write_bytes(b"DICOM is left to the image cache")
    listing = find_corpus("image_folder").read(tmp_path)
    report = inspect_corpus(listing)
    assert report.survey.not_compared == 1
    drawn = write_figures(tmp_path / "figures", report, listing, with_samples=True)
    assert [path.name for path in drawn] == ["counts.png"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"IDAT", b"\xf5\xec!\xfa", 1),
        lambda data: data[:8] + b"\0\0\0\1" + data[12:],  # a header of one byte
        lambda data: b"garbage",
        lambda data: b"",
    ],
)
def test_a_damaged_image_is_named_and_not_shown(tmp_path, damage):
    for name in ("a.png", "b.png"):
        draw(ord(name[0])).save(tmp_path / name)
    listing = find_corpus("image_folder").read(tmp_path)
    (tmp_path / "a.png").write_bytes(damage((tmp_path / "a.png").read_bytes()))
    report = inspect_corpus(listing)
    assert report.survey.undecodable == ("a.png",)
    assert "LOOK: 1 images do not decode" in describe_report(report)
    figures = write_figures(tmp_path / "figures", report, listing, with_samples=True)
    assert figures[-1].name == "samples.png"


def test_classes_that_are_not_drawn_are_counted(tmp_path):
    for number in range(15):
        (tmp_path / f"class{number}").mkdir()
        draw(number).save(tmp_path / f"class{number}" / f"{number}.png")
    listing = find_corpus("image_folder").read(tmp_path)
    axes = draw_counts(inspect_corpus(listing, at_most=0), listing).axes
    assert "the largest 12 of 15" in axes[1].get_title(loc="left")


@pytest.mark.parametrize(("images", "said"), [("0", False), ("-1", True)])
def test_the_command_writes_numbers_and_figures(run, tmp_path, images, said):  # noqa: F811
    root = tmp_path / "root"
    (root / "train/A").mkdir(parents=True)
    draw(1).save(root / "train/A/1.png")
    draw(2).save(root / "train/A/2.png")
    arguments = ("--images", images, "--json", tmp_path / "n.json", "--figures", tmp_path / "f")
    done = run("corpora", "check", "image_folder", "--root", root, *arguments)
    assert done.code == 0
    assert ("decoded: 2 of 2 images" in done.out) is said
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert (numbers["checks"]["images"], numbers["survey"] is not None) == (2, said)
    assert (tmp_path / "f/counts.png").is_file()
    assert (tmp_path / "f/distances.png").is_file() is said
    assert not (tmp_path / "f/samples.png").exists()
