from __future__ import annotations

from data_cards.findings import (
    CHESTXRAY14_TO_FINDING,
    CHEXPERT_OBSERVATIONS,
    FINDINGS,
    SEVERITY_LEVELS,
    LabelCode,
)


def test_the_names_are_the_ones_of_the_published_tables():
    # CheXpert's train.csv from its sixth column on.
    header = (
        "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
        "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
        "Support Devices"
    )
    assert ",".join(CHEXPERT_OBSERVATIONS) == header
    assert set(CHESTXRAY14_TO_FINDING.values()) <= set(FINDINGS)
    assert len(set(FINDINGS)) == len(FINDINGS) == 36


def test_codes_and_levels_are_the_published_ones():
    assert {code.name: code.value for code in LabelCode} == {
        "UNCERTAIN": -1,
        "NEGATIVE": 0,
        "POSITIVE": 1,
    }
    assert SEVERITY_LEVELS == 4
