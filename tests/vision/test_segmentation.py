"""The segmentation network, its losses, its task and the folder that it is saved to."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.vision.examples import draw_xray
from tests.vision.segmenters import SIZE, SMALL, make_data, small_segmenter, task_settings
from vision.encoder_settings import EncoderError, WeightSettings
from vision.model_folder import ModelFolderError
from vision.segmentation.losses import dice_loss, pixel_loss
from vision.segmentation.lung_masks import LungMasks
from vision.segmentation.mask_files import INSIDE, UNKNOWN
from vision.segmentation.network import (
    NetworkSettings,
    SegmentationError,
    build_network,
    freeze_unused,
)
from vision.segmentation.segmenter import Segmenter
from vision.segmentation.task import SegmentationTask
from vision.transforms import AugmentSettings, augment_images, augment_pairs, prepare_images


@pytest.mark.parametrize("architecture", ["unet", "unetplusplus"])
def test_networks_give_a_logit_for_each_pixel_and_fetch_nothing(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    settings = SMALL.model_copy(update={"architecture": architecture})
    assert build_network(settings).eval()(torch.zeros(2, 1, 64, 96)).shape == (2, 64, 96)


def test_what_the_library_does_not_know_is_named() -> None:
    with pytest.raises(SegmentationError, match=r"'resnet17': no encoder .* Known: resnet18"):
        build_network(NetworkSettings(encoder="resnet17"))
    with pytest.raises(SegmentationError, match=r"100×64 pixels; expected .* multiples of 32"):
        build_network(SMALL)(torch.zeros(1, 1, 64, 100))


def test_an_encoder_starts_from_local_weights_of_colour_images(tmp_path: Path) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(3)
    colour = smp.encoders.get_encoder("mobilenet_v2", in_channels=3, weights=None).eval()
    state = {name: part.clone() for name, part in colour.state_dict().items()}
    save_file(state | {"classifier.1.weight": torch.zeros(7, 5)}, tmp_path / "w.safetensors")
    weights = WeightSettings(path=tmp_path / "w.safetensors")
    network = build_network(SMALL.model_copy(update={"encoder_weights": weights})).eval()
    pixels = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    mean, deviation = (
        torch.tensor(line).view(1, 3, 1, 1) for line in (weights.mean, weights.deviation)
    )
    colours = ((pixels[:, None] / 255).repeat(1, 3, 1, 1) - mean) / deviation
    prepared = prepare_images(pixels)
    for ours, theirs in zip(network.network.encoder(prepared), colour(colours), strict=True):
        if ours.shape == theirs.shape:
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(EncoderError, match="not this network's weights"):
        build_network(SMALL.model_copy(update={"encoder_weights": weights}))


def test_losses_by_hand_and_without_what_is_unknown() -> None:
    logits = torch.tensor([[[0.0, math.log(3)], [50.0, -50.0]]], requires_grad=True)
    inside = torch.tensor([[[True, True], [False, True]]])
    known = torch.tensor([[[True, True], [False, False]]])
    pixels, dice = pixel_loss(logits, inside, known), dice_loss(logits, inside, known)
    assert pixels.total.item() == pytest.approx(math.log(2) + math.log(4 / 3))
    assert float(pixels.count) == 2
    # p = 0.5 and 0.75, both inside: 1 − (2 · 1.25 + 1) / (1.25 + 2 + 1)
    assert dice.total.item() == pytest.approx(1 - 3.5 / 4.25)
    assert float(dice.count) == 1
    (pixels.total + dice.total).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0] != 0).all()
    assert (logits.grad[0, 1] == 0).all()


def test_an_image_of_which_nothing_is_known_has_no_loss() -> None:
    logits = torch.full((2, 4, 4), torch.nan)
    logits[1] = 0.0
    known = torch.zeros(2, 4, 4, dtype=torch.bool)
    known[1] = True
    found = dice_loss(logits, known, known)
    assert float(found.count) == 1
    assert float(found.total) == pytest.approx(1 - 17 / 25)


def test_image_and_mask_move_alike() -> None:
    masks = torch.zeros(3, 64, 64, dtype=torch.uint8)
    masks[:, 10:40, 20:50] = INSIDE
    masks[:, 50:, :] = UNKNOWN
    images = prepare_images(torch.where(masks == INSIDE, 255, 0).to(torch.uint8))
    settings = AugmentSettings(
        rotation_degrees=30, shift=0.1, scale=0.2, gain=0, gamma=0, contrast=0
    )
    moved, masks_moved = augment_pairs(images, masks, settings, [1, 2, 3])
    torch.testing.assert_close(moved, augment_images(images, settings, [1, 2, 3]))
    bright = moved[:, 0] > prepare_images(torch.full((1, 1, 1), 128, dtype=torch.uint8)).item()
    agreement = (bright == (masks_moved == INSIDE)).float().mean()
    assert agreement > 0.995
    assert set(masks_moved.unique().tolist()) == {0, INSIDE, UNKNOWN}
    assert (masks_moved != masks).any()


def test_an_epoch_deals_each_row_once_and_no_batch_of_one(tmp_path: Path) -> None:
    task = SegmentationTask(task_settings(batch=4), make_data(tmp_path, train=5), seed=0)
    batches = task.plan_epoch(0)
    assert sorted(len(batch) for batch in batches) == [2, 3]
    assert sorted(np.concatenate(batches)) == list(range(5))
    assert [batch.tolist() for batch in task.plan_epoch(0)] == [b.tolist() for b in batches]
    assert np.concatenate(task.plan_epoch(1)).tolist() != np.concatenate(batches).tolist()


def test_the_task_learns_and_measures_what_it_predicts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = make_data(tmp_path)
    task = SegmentationTask(task_settings(), data, seed=0)

    def predict(rows: np.ndarray) -> dict[str, np.ndarray]:
        truth = data.masks.read(data.mask_rows[rows]) == INSIDE
        truth[:, : SIZE // 2] = False
        return {"mask_logits": np.where(truth, 1.0, -1.0).astype(np.float32)}

    metrics = task.evaluate(predict)
    assert metrics["score"] == metrics["dice"]
    assert metrics["dice"] is not None
    assert 0.3 < metrics["dice"] < 0.9
    optimizer = torch.optim.Adam(task.model.parameters(), lr=0.01)
    losses = []
    for step in range(6):
        batch = task.prepare(task.load(np.arange(2), step=step))
        found = task.losses(task.model(batch), batch, lambda rows: rows)
        total = sum(part.total / part.count for part in found.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < 0.8 * losses[0]


def test_training_goes_on_from_a_segmenter(tmp_path: Path) -> None:
    segmenter = small_segmenter()
    segmenter.save(tmp_path / "model")
    torch.manual_seed(9)
    data = make_data(tmp_path)
    task = SegmentationTask(task_settings(start=tmp_path / "model"), data, seed=0)
    for name, weight in segmenter.network.state_dict().items():
        torch.testing.assert_close(task.network.state_dict()[name], weight, rtol=0, atol=0)
    other = SMALL.model_copy(update={"architecture": "unetplusplus"})
    with pytest.raises(ModelFolderError, match="not this network's weights"):
        SegmentationTask(task_settings(start=tmp_path / "model", network=other), data, seed=0)


@pytest.mark.parametrize("encoder", ["efficientnet-b0", "mobilenet_v2"])
def test_every_weight_that_learns_gets_a_gradient(encoder: str) -> None:
    network = build_network(SMALL.model_copy(update={"encoder": encoder})).train()
    freeze_unused(network)
    assert network.training
    network(torch.randn(2, 1, 64, 64)).mean().backward()
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    assert len(learning) > 100
    assert all(weight.grad is not None for weight in learning)


def test_rows_fall_on_micro_batches_as_they_like_with_group_norm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = task_settings(network=SMALL.model_copy(update={"norm": "group"}))
    task = SegmentationTask(settings, make_data(tmp_path), seed=0)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in task.model.modules())
    batch = task.prepare(task.load(np.arange(4), step=0))
    whole = task.model(batch)["mask_logits"]
    halves = [
        task.model({name: part[start : start + 2] for name, part in batch.items()})["mask_logits"]
        for start in (0, 2)
    ]
    torch.testing.assert_close(whole, torch.cat(halves), atol=1e-4, rtol=1e-4)


def test_a_bad_pixel_is_found_in_its_row(tmp_path: Path) -> None:
    task = SegmentationTask(task_settings(), make_data(tmp_path), seed=0)
    batch = task.prepare(task.load(np.arange(3), step=0))
    batch["images"][1, 0, 5, 5] = torch.nan
    assert task.find_bad_rows(batch).tolist() == [False, True, False]
    assert task.name_rows(np.array([2])) == ["study2"]


def test_a_saved_segmenter_draws_the_same_masks(tmp_path: Path) -> None:
    segmenter = small_segmenter()
    segmenter.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *("segmenter.json", "segmenter.safetensors")
    ]
    images = np.stack([draw_xray(seed, height=SIZE, width=SIZE) for seed in range(3)])
    expected = segmenter.probabilities(images)
    np.testing.assert_array_equal(Segmenter.load(tmp_path).probabilities(images), expected)
    masks = LungMasks.load(tmp_path, threads=1)
    np.testing.assert_array_equal(masks(images), expected >= 0.5)


def test_lung_masks_of_another_size_lie_in_the_same_place(tmp_path: Path) -> None:
    from tests.vision.segmenters import dark_segmenter

    masks = LungMasks(dark_segmenter())
    large = draw_xray(0, height=128, width=128)[np.newaxis]
    drawn = masks(large)
    assert drawn.shape == large.shape
    assert drawn.dtype == bool
    assert (drawn[0] == (large[0] < 120)).mean() > 0.95


@pytest.mark.parametrize("fault", ["weights", "card", "network", "structure"])
def test_a_segmenter_that_is_not_whole_is_refused(tmp_path: Path, fault: str) -> None:
    small_segmenter(structure="infection" if fault == "structure" else "lung").save(tmp_path)
    card, weights = tmp_path / "segmenter.json", tmp_path / "segmenter.safetensors"
    if fault == "weights":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif fault == "card":
        card.write_text("{}")
    elif fault == "network":
        values = json.loads(card.read_text())
        values["network"]["encoder"] = "resnet18"
        card.write_text(json.dumps(values))
    with pytest.raises((ModelFolderError, SegmentationError), match=str(tmp_path)):
        LungMasks.load(tmp_path)
