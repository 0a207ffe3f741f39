from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_cards.phantom.generator import make_phantom
from data_cards.phantom.masks import read_phantom_masks
from data_cards.phantom.reader import read_phantom
from data_cards.phantom.settings import PhantomSettings
from data_cards.study import CorpusError, group_masks
from tests.data_cards.corpus_trees import hash_tree


def test_images_come_with_their_lung_masks_and_without_reports(tmp_path):
    make_phantom(tmp_path, PhantomSettings(studies=6, size=64))
    before = hash_tree(tmp_path)
    listing, phantom = read_phantom_masks(tmp_path), read_phantom(tmp_path)
    assert hash_tree(tmp_path) == before
    assert listing.studies["report"][:] == [None] * 6
    for name in ("study_id", "patient_id", "split", "images"):
        assert listing.studies[name][:] == phantom.studies[name][:]
    for study in listing.studies:
        for image, (mask,) in zip(study["images"], group_masks(study), strict=True):
            assert Path(mask).stem == Path(image["path"]).stem
            with Image.open(mask) as opened:
                values = np.asarray(opened)
            assert set(np.unique(values)) <= {0, 64, 128, 192}
            assert 0.05 < (values > 0).mean() < 0.7


def test_a_missing_mask_leaves_its_image_out(tmp_path):
    make_phantom(tmp_path, PhantomSettings(studies=4, size=64))
    mask = next((tmp_path / "truth/lung_masks").iterdir())
    mask.unlink()
    listing = read_phantom_masks(tmp_path)
    assert list(map(str, listing.skipped)) == [f"truth/lung_masks/{mask.name}: no such mask"]
    stems = [Path(i["path"]).stem for images in listing.studies["images"][:] for i in images]
    assert mask.stem not in stems


def test_a_phantom_without_masks_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="truth/lung_masks: no such folder"):
        read_phantom_masks(tmp_path)
