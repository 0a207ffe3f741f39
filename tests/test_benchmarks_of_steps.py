"""The founding recipe of the step benchmark computes what ours does, and its program runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.joint_step import main
from benchmarks.published_recipe import looped_ranking_loss, pad_tokens, read_published
from joint.losses.pair_rows import PairRows
from joint.losses.ranking import ranking_loss

ROWS = 5
GRADES = (None, 2, 0, 3, None)
STUDIES = (0, 1, 1, 3, 4)


def test_the_published_loop_and_our_loss_have_one_value_and_gradient():
    draws = torch.Generator().manual_seed(0)
    theirs = [torch.randn(ROWS, 8, generator=draws).requires_grad_() for _ in range(2)]
    ours = [value.detach().clone().requires_grad_() for value in theirs]
    looped = looped_ranking_loss(*theirs, GRADES, STUDIES)
    pairs = PairRows(
        *ours,
        groups=torch.tensor(STUDIES),
        has_report=torch.ones(ROWS, dtype=torch.bool),
        severities=torch.tensor([float(grade or 0) for grade in GRADES]),
        has_severity=torch.tensor([grade is not None for grade in GRADES]),
        places=torch.arange(ROWS),
    )
    found = ranking_loss(pairs, pairs, torch.ones(ROWS))
    torch.testing.assert_close(found.total / found.count, looped)
    (found.total / found.count).backward()
    looped.backward()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad)


@pytest.mark.parametrize("shape", [(300, 256), (200, 320), (100, 90)])
def test_the_published_reader_gives_a_square_scaled_by_the_image_s_own_maximum(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    pixels[shape[0] // 2, shape[1] // 2] = 5000
    Image.fromarray(pixels).save(tmp_path / "film.png")
    read = read_published(tmp_path / "film.png", 256, np.random.default_rng(1))
    assert (read.shape, str(read.dtype), float(read.max())) == ((256, 256), "float32", 1.0)


def test_published_reports_are_padded_to_one_length():
    ids, mask = pad_tokens([np.array([2, 9, 3]), np.array([2, 3])], 5)
    assert ids.tolist() == [[2, 9, 3, 0, 0], [2, 3, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]


@pytest.mark.slow
def test_the_program_puts_both_recipes_side_by_side(capsys):
    threads = torch.get_num_threads()
    assert main(["--small", "--studies", "8"]) == 0
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in printed.splitlines() if "…" in line][1:] == [
        "published",
        "its reports padded to the batch's longest",
        "kerley",
    ]
