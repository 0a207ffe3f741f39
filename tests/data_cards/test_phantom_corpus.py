import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_cards.corpora import find_corpus
from data_cards.findings import FINDINGS
from data_cards.phantom import generator
from data_cards.phantom.causal import SPLIT_PER_TEN_PATIENTS
from data_cards.phantom.describe import describe_phantom
from data_cards.phantom.generator import PhantomError, PhantomSettings, make_phantom
from data_cards.phantom.reader import read_phantom
from data_cards.phantom.rows import IMAGE_FINDINGS
from data_cards.phantom.truth import SIGNS, lung_mask, read_image_truth, read_truth, sign_mask
from data_cards.study import SPLITS, CorpusError

SMALL = PhantomSettings(studies=60, size=64, seed=7)


def hash_tree(root: Path) -> dict[str, str]:
    files = (file for file in root.rglob("*") if file.is_file())
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "corpus"
    make_phantom(root, SMALL)
    return root


@pytest.fixture
def small_phantom(tmp_path):
    make_phantom(tmp_path / "c", PhantomSettings(studies=6, size=64))
    return tmp_path / "c"


def test_two_workers_write_the_bytes_of_one(phantom, tmp_path):
    make_phantom(tmp_path / "two", SMALL, workers=2)
    assert hash_tree(tmp_path / "two") == hash_tree(phantom)


def test_a_larger_corpus_begins_with_the_smaller_one(phantom, tmp_path):
    make_phantom(tmp_path / "few", PhantomSettings(studies=9, size=64, seed=7))
    few, many = hash_tree(tmp_path / "few"), hash_tree(phantom)
    shared = [name for name in few if name.startswith(("images/", "reports/", "truth/sign"))]
    assert len(shared) > 20
    assert all(few[name] == many[name] for name in shared)


def test_another_seed_gives_other_images(phantom, tmp_path):
    make_phantom(tmp_path / "other", PhantomSettings(studies=2, size=64, seed=8))
    name = "images/s00000_0.png"
    assert hash_tree(tmp_path / "other")[name] != hash_tree(phantom)[name]


def test_text_settings_leave_images_alone(phantom, tmp_path):
    noisy = SMALL.model_copy(
        update={"studies": 4, "perception_sigma": 0.9, "severity_stated": 1.0, "typo_rate": 0.1}
    )
    make_phantom(tmp_path / "noisy", noisy)
    here, there = hash_tree(tmp_path / "noisy"), hash_tree(phantom)
    assert all(here[name] == there[name] for name in here if name.startswith("images/"))
    assert any(here[name] != there[name] for name in here if name.startswith("reports/"))


@pytest.mark.parametrize("size", [64, 160, 512])
def test_images_and_masks_have_the_size_asked_for(size, tmp_path):
    make_phantom(tmp_path / "c", PhantomSettings(studies=1, size=size))
    for folder in ("images", "truth/lung_masks", "truth/sign_masks"):
        with Image.open(tmp_path / "c" / folder / "s00000_0.png") as image:
            assert (image.size, image.mode) == ((size, size), "L")


@pytest.mark.parametrize("size", [63, 513])
def test_sizes_outside_the_range_are_refused(size):
    with pytest.raises(ValueError, match="size"):
        PhantomSettings(size=size)


def test_an_interrupted_run_is_taken_up_to_the_same_bytes(phantom, tmp_path, monkeypatch):
    make_part = generator._make_part

    def stop_at_the_second(root, settings, part):
        if part.number == 1:
            raise KeyboardInterrupt
        return make_part(root, settings, part)

    monkeypatch.setattr(generator, "_make_part", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        make_phantom(tmp_path / "c", SMALL)
    with pytest.raises(CorpusError, match="not finished"):
        read_phantom(tmp_path / "c")

    made = []
    monkeypatch.setattr(
        generator, "_make_part", lambda *a: made.append(a[2].number) or make_part(*a)
    )
    make_phantom(tmp_path / "c", SMALL)
    assert made == [1]
    assert hash_tree(tmp_path / "c") == hash_tree(phantom)


def test_a_finished_corpus_is_left_as_it_is(phantom):
    before = (phantom / "studies.csv").stat().st_mtime_ns
    make_phantom(phantom, SMALL)
    assert (phantom / "studies.csv").stat().st_mtime_ns == before


def test_a_folder_of_other_settings_is_refused_by_name(phantom):
    with pytest.raises(PhantomError, match=r"size 64 \(asked for 96\)"):
        make_phantom(phantom, SMALL.model_copy(update={"size": 96}))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PhantomError, match=r"no phantom\.yaml"):
        make_phantom(tmp_path, SMALL)


def test_the_reader_never_needs_the_truth(phantom, tmp_path):
    (phantom / "truth").rename(tmp_path / "truth")
    try:
        listing = find_corpus("phantom").read(phantom)
    finally:
        (tmp_path / "truth").rename(phantom / "truth")
    assert len(listing.studies) == 60
    assert listing.skipped == ()
    assert not {"severity", "fluid"} & set(listing.studies.column_names)


def test_splits_are_by_patient(phantom):
    studies = read_phantom(phantom).studies.to_pandas()
    assert set(studies["split"]) == set(SPLITS) == set(SPLIT_PER_TEN_PATIENTS)
    assert (studies.groupby("patient_id")["split"].nunique() == 1).all()
    assert studies.groupby("patient_id").size().max() > 1


def test_visits_of_a_patient_go_forward_in_time(phantom):
    studies = read_phantom(phantom).studies.to_pandas()
    assert (
        studies.groupby("patient_id")["acquired"].apply(lambda d: d.is_monotonic_increasing).all()
    )


def test_missing_files_are_listed_and_the_rest_goes_on(small_phantom):
    (small_phantom / "reports/s00001.txt").unlink()
    (small_phantom / "reports/s00002.txt").write_bytes(b"\xff\xfe\x00")
    (small_phantom / "images/s00003_0.png").unlink()
    listing = read_phantom(small_phantom)
    told = {skipped.where: skipped.reason for skipped in listing.skipped}
    assert told["reports/s00001.txt"] == "no such file"
    assert "UTF-8" in told["reports/s00002.txt"]
    assert "images/s00003_0.png: no such file" in told.values()
    reports = {study["study_id"]: study["report"] for study in listing.studies}
    assert reports["s00001"] is reports["s00002"] is None
    assert reports["s00000"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("s00099,,train,F,50,2110-01-01", "no patient_id"),
        ("s00099,p00099,dev,F,50,2110-01-01", "'dev'"),
        ("s00099,p00099,train,F,old,2110-01-01", "'old'"),
        ("s00099,p00099,train,F,50,2110-01-01", "neither an image nor a report"),
    ],
)
def test_a_row_that_cannot_be_used_is_listed(small_phantom, row, reason):
    with (small_phantom / "studies.csv").open("a") as table:
        table.write(row + "\n")
    listing = read_phantom(small_phantom)
    assert len(listing.studies) == 6
    assert any(reason in skipped.reason for skipped in listing.skipped)


def test_an_index_without_a_column_is_refused(small_phantom):
    (small_phantom / "studies.csv").write_text("study_id,patient_id\ns0,p0\n")
    with pytest.raises(CorpusError, match="acquired, age, sex, split"):
        read_phantom(small_phantom)


def test_truth_has_a_row_per_study_and_per_image(phantom):
    studies, images = read_truth(phantom), read_image_truth(phantom)
    listing = read_phantom(phantom).studies
    assert list(studies["study_id"]) == listing["study_id"]
    assert len(images) == sum(len(study["images"]) for study in listing)
    assert str(studies["reported_severity"].dtype) == "Int8"
    assert set(IMAGE_FINDINGS) <= set(FINDINGS)
    assert {f"{name}_reported" for name in IMAGE_FINDINGS} <= set(studies.columns)


def test_lung_masks_lie_on_both_sides_and_signs_lie_in_the_chest(phantom):
    images = read_image_truth(phantom)
    for row in images[images["view"] != "LATERAL"].itertuples():
        lungs = lung_mask(phantom, row.image_id)
        right, left = np.nonzero(lungs == 1)[1], np.nonzero(lungs == 2)[1]
        assert right.max() < left.min()
        assert 0.15 < (lungs > 0).mean() < 0.6
        if row.alveolar > 0.6:
            haze = sign_mask(phantom, row.image_id, "alveolar")
            assert haze.any()
            assert not (haze & (lungs == 0)).any()


def test_an_unknown_sign_or_mask_is_named(phantom):
    with pytest.raises(CorpusError, match=SIGNS[0]):
        sign_mask(phantom, "s00000_0", "halo")
    with pytest.raises(CorpusError, match="s09999_0"):
        lung_mask(phantom, "s09999_0")


def test_masks_can_be_left_out(tmp_path):
    make_phantom(tmp_path / "c", PhantomSettings(studies=2, size=64, masks=False))
    assert not list((tmp_path / "c/truth").rglob("*.png"))


def test_the_description_prints_agreement_and_findings(phantom):
    text = describe_phantom(phantom)
    assert "| perceived = true severity | 0." in text
    assert "| Pleural Effusion |" in text
