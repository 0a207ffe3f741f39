"""Near duplicates: altered copies are found among chests, other chests are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from data_cards.near_duplicates import (
    BITS,
    NEAR_DISTANCE,
    PrintError,
    compare_hashes,
    describe_distances,
    find_near_duplicates,
    group_pairs,
    read_prints,
    take_prints,
)
from data_cards.phantom.causal import make_patient
from data_cards.phantom.render import draw_image

SIZE = 128
CHESTS = 24


@pytest.fixture(scope="module")
def chests():
    """One image each of 24 patients."""
    drawn = []
    for number in range(CHESTS):
        patient = make_patient(0, number, 10 * number, 1)
        generator = np.random.default_rng(number)
        drawn.append(draw_image(patient, patient.studies[0], "PA", SIZE, generator).pixels)
    return drawn


def as_jpeg(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    return np.asarray(Image.open(buffer))


def resize(pixels, side):
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def equalize(pixels):
    return np.asarray(ImageOps.equalize(Image.fromarray(pixels)))


def burn_text(pixels):
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text((8, 6), "PORTABLE", fill=255, font=ImageFont.load_default(12))
    return np.asarray(image)


ALTERATIONS = {
    "jpeg q75": as_jpeg,
    "299 px": lambda p: resize(p, 299),
    "equalised": equalize,
    "gamma": lambda p: (255 * (p / 255) ** 0.6).astype(np.uint8),
    "3 % crop": lambda p: p[2:-2, 2:-2],
    "text": burn_text,
    "padded": lambda p: np.pad(p, ((0, 0), (20, 20))),
    "mirrored": lambda p: p[:, ::-1],
    "inverted": lambda p: 255 - p,
    "mirrored and inverted": lambda p: 255 - p[:, ::-1],
}


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_copy_is_a_near_duplicate_of_its_image_alone(chests, alteration):
    found = find_near_duplicates(take_prints([*chests, alteration(chests[5])]))
    assert found.groups == ((5, CHESTS),)


def test_other_chests_are_close_by_their_hashes_but_no_duplicates(chests):
    prints = take_prints(chests)
    assert len(compare_hashes(prints.hashes, NEAR_DISTANCE)[0]) > 5
    assert find_near_duplicates(prints).groups == ()


def test_of_too_many_candidates_the_closest_are_looked_at(chests, monkeypatch):
    monkeypatch.setattr("data_cards.near_duplicates.MOST_CANDIDATES", 1)
    found = find_near_duplicates(take_prints([*chests, chests[5][2:-2, 2:-2], chests[7]]))
    assert found.groups == ((7, CHESTS + 1),)


def test_distances_are_those_of_the_closest_of_four_variants(chests):
    hashes = take_prints(chests[:6]).hashes
    first, second, bits, histogram = compare_hashes(hashes, BITS)
    slow = []
    for a, b in zip(first, second, strict=True):
        other = [take_prints([v]).hashes[0] for v in (chests[b], chests[b][:, ::-1])]
        differ = [int((hashes[a] != hash_).sum()) for hash_ in other]
        slow.append(min(*differ, *(BITS - count for count in differ)))
    # A mirrored image has other rounding, so that a sign next to zero may turn.
    assert len(bits) == 15
    assert np.abs(bits - slow).max() <= 2
    assert histogram.sum() == 15


def test_images_without_contrast_resemble_nothing():
    black = np.zeros((40, 50), np.uint8)
    found = find_near_duplicates(take_prints([black, black, black + 3]))
    assert found.groups == ()
    assert found.histogram.sum() == 0


def test_pairs_that_share_an_image_are_one_group():
    assert group_pairs(np.array([0, 2, 5]), np.array([2, 3, 6]), 8) == ((0, 2, 3), (5, 6))


def test_files_are_read_and_unreadable_ones_are_named(tmp_path, chests):
    Image.fromarray(chests[0]).save(tmp_path / "a.png")
    Image.fromarray(chests[0].astype(np.uint16) * 200).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    prints, unreadable = read_prints(files)
    assert unreadable == files[2:]
    assert find_near_duplicates(prints).groups == ((0, 1),)


def test_the_histogram_is_lines_that_a_person_reads():
    histogram = np.zeros(128, np.int64)
    histogram[[3, 100]] = 1, 5000
    lines = describe_distances(histogram).splitlines()
    assert len(lines) == 16
    assert lines[0].split()[:4] == ["0", "to", "7", "1"]
    assert lines[12].split()[3] == "5,000"
    assert lines[12].endswith("#" * 40)


def test_what_is_no_grey_image_is_refused():
    with pytest.raises(PrintError, match=r"float64 \(4, 4\) is no grey image"):
        take_prints([np.zeros((4, 4))])


def test_real_sets_share_images(shared_data):
    files = [
        *sorted((shared_data / "covid_chestxray/images").iterdir()),
        *sorted((shared_data / "lung_masks/images").iterdir()),
    ]
    prints, unreadable = read_prints(files)
    assert not unreadable
    stems = [{files[row].stem for row in group} for group in find_near_duplicates(prints).groups]
    assert {"12941_2020_358_Fig1_HTML"} in stems
