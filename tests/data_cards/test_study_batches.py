from __future__ import annotations

import tempfile
from contextlib import nullcontext

import pytest
from datasets import Dataset, Features, Value

from data_cards import study_batches
from data_cards.study import CorpusError, list_studies
from data_cards.study_batches import collect_studies

FEATURES = Features({"study_id": Value("string"), "report": Value("large_string")})


def make_rows(count, asked):
    for number in range(count):
        asked.append(number)
        yield {"study_id": str(number), "report": "Edema. " * 10}


def test_many_studies_lie_in_a_file_and_read_the_same(monkeypatch):
    monkeypatch.setattr(study_batches, "BATCH_STUDIES", 10)
    small = collect_studies(make_rows(95, []), FEATURES)
    monkeypatch.setattr(study_batches, "MEMORY_BYTES", 2000)
    large = collect_studies(make_rows(95, []), FEATURES)
    assert small.cache_files == []
    assert large.cache_files != []
    assert large.to_list() == small.to_list() == list(make_rows(95, []))
    assert large.features == small.features == FEATURES


@pytest.mark.parametrize("fails", [False, True])
def test_no_file_of_reports_is_left(tmp_path, monkeypatch, fails):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(study_batches, "BATCH_STUDIES", 10)
    monkeypatch.setattr(study_batches, "MEMORY_BYTES", 2000)
    modes = set()

    def watch():
        for row in make_rows(500, []):
            modes.update(file.stat().st_mode & 0o777 for file in tmp_path.iterdir())
            yield row
        if fails:
            raise CorpusError

    with pytest.raises(CorpusError) if fails else nullcontext():
        assert len(collect_studies(watch(), FEATURES)) == 500
    assert modes == {0o600}
    assert list(tmp_path.iterdir()) == []


def test_no_more_than_a_batch_is_asked_for_ahead(monkeypatch):
    monkeypatch.setattr(study_batches, "BATCH_STUDIES", 10)
    asked = []
    batches = study_batches._make_batches(make_rows(95, asked), FEATURES.arrow_schema)
    assert next(batches).num_rows == len(asked) == 10


def test_a_listing_in_a_file_hashes_as_one_in_memory(tmp_path, monkeypatch):
    studies = [
        {"corpus": "own", "study_id": str(i), "patient_id": "p", "images": [], "report": "Edema."}
        for i in range(20)
    ]
    in_memory = list_studies("own", tmp_path, studies)
    monkeypatch.setattr(study_batches, "MEMORY_BYTES", 10)
    in_file = list_studies("own", tmp_path, studies)
    assert in_file.studies.cache_files
    assert isinstance(in_file.studies, Dataset)
    assert in_file.content_hash == in_memory.content_hash
