"""Write a mask as a DICOM Segmentation (PS3.3 A.51) that refers to the X-ray it was drawn on."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from configs.files import write_atomically
from vision.dicom_images import DICOM_ERRORS, quiet_pydicom
from vision.segmentation.network import SegmentationError

MANUFACTURER = "Kerley (research software)"
SERIES_NUMBER = 9001
NEEDED = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
"""Without these nothing could say which X-ray a segmentation belongs to."""


def write_segmentation(
    source: Path, mask: NDArray[np.bool_], out: Path, *, structure: str, model: str
) -> None:
    """Write a binary segmentation of one segment in a new series of the same study.

    mask: [rows, columns] of the source's own pixels; structure: `lung` or `infection`; model: the
    hash of the weights. The same source, model and mask give the same UIDs. Raises
    SegmentationError for a source whose header doesn't allow it; what the header says is never
    repeated.
    """
    with quiet_pydicom():
        try:
            dataset = pydicom.dcmread(source, stop_before_pixels=False)
            lacking = [name for name in NEEDED if not dataset.get(name)]
            if lacking:
                raise SegmentationError(f"{source}: no DICOM SEG, it has no {', '.join(lacking)}")
            segmentation = _build(dataset, mask, structure, model)
            with write_atomically(out) as temporary:
                segmentation.save_as(temporary)
        except SegmentationError:
            raise
        except DICOM_ERRORS as error:
            raise SegmentationError(
                f"{source}: no DICOM SEG, its header is incomplete ({type(error).__name__})"
            ) from error


def _build(dataset: Any, mask: NDArray[np.bool_], structure: str, model: str) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import (
        SegmentAlgorithmTypeValues,
        Segmentation,
        SegmentationTypeValues,
        SegmentDescription,
    )
    from pydicom.sr.codedict import codes

    kinds = {
        "lung": ("Lung", codes.SCT.AnatomicalStructure, codes.SCT.Lung),
        "infection": (
            "Infection",
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.InfectiousDisease,
        ),
    }
    name, category, concept = kinds[structure]
    segment = SegmentDescription(
        segment_number=1,
        segment_label=name,
        segmented_property_category=category,
        segmented_property_type=concept,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name="Kerley segmenter", family=codes.DCM.ArtificialIntelligence, version=model[:12]
        ),
    )
    seeds = [str(dataset.SOPInstanceUID), model, mask.tobytes().hex()]
    return Segmentation(
        source_images=[dataset],
        pixel_array=mask[np.newaxis].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=generate_uid(entropy_srcs=[*seeds, "series"]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(entropy_srcs=[*seeds, "instance"]),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="kerley segment",
        software_versions=version("kerley"),
        device_serial_number=model[:12],
        content_label="LUNG" if structure == "lung" else "INFECTION",
        series_description=f"{name}: research only, not for clinical use",
        omit_empty_frames=False,
    )
