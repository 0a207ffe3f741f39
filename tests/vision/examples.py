"""X-ray-like images, DICOM files and small graders that vision's tests are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from vision.encoders import TorchvisionEncoderSettings
from vision.tower import ImageTower, TowerSettings

SMALL_DENSENET = TorchvisionEncoderSettings(
    name="DenseNet",
    arguments={"growth_rate": 8, "block_config": [2, 2], "num_init_features": 8},
    norm="group",
)
FINDINGS = ("Cardiomegaly", "Pleural Effusion")


def draw_xray(seed: int, *, height: int = 90, width: int = 120) -> NDArray[np.uint8]:
    """Two dark lungs in a bright body, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    grey = np.full((height, width), 190.0)
    for centre in (0.3, 0.7):
        grey -= 120 * (((x - centre) / 0.15) ** 2 + ((y - 0.4) / 0.3) ** 2 < 1)
    return np.clip(grey + rng.normal(0, 6, grey.shape), 0, 255).astype(np.uint8)


def save_xrays(folder: Path, count: int) -> list[Path]:
    """Write `count` different PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"xray{seed:03d}.png" for seed in range(count)]
    for seed, path in enumerate(paths):
        Image.fromarray(draw_xray(seed)).save(path)
    return paths


def make_dicom(stored: NDArray[np.uint16], **elements: Any) -> Dataset:
    """A monochrome radiograph of 12 stored bits; `elements` add to it or replace (None: leave)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["test"])
    dataset.Modality = "CR"
    dataset.PatientName = "PLANTED^NAME"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def save_dicom(path: Path, stored: NDArray[np.uint16], **elements: Any) -> Path:
    make_dicom(stored, **elements).save_as(path, enforce_file_format=True)
    return path


def small_tower(findings: tuple[str, ...] = FINDINGS, *, seed: int = 0) -> ImageTower:
    torch.manual_seed(seed)
    return ImageTower(TowerSettings(encoder=SMALL_DENSENET, findings=findings))
