"""The benchmark's arms: what each is taught, and its task in the settings of any other run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from joint.joint_settings import DistillationSettings, JointLossSettings, JointTaskSettings
from joint.losses.contrastive import InfoNceSettings
from joint.losses.ranking import RankingSettings
from joint.optimizer import OptimizerSettings
from joint.text_encoder import ConvTextSettings
from vision.batches import BatchSettings
from vision.encoder_settings import ChauhanEncoderSettings
from vision.grading_losses import GradingLossSettings
from vision.grading_task import GradingTaskSettings
from vision.tower import TowerSettings
from vision.transforms import AugmentSettings

Labels = Literal["one", "model", "truth", "anchors"]

TOWER = TowerSettings(encoder=ChauhanEncoderSettings(widths=(16, 32, 64)), findings=())
TEXT = ConvTextSettings(kind="conv", width=64, vocabulary=800, max_tokens=128)
OPTIMIZER = OptimizerSettings(learning_rate=0.002, weight_decay=0.01, warmup_steps=30)
AUGMENT = AugmentSettings(rotation_degrees=5.0)


@dataclass(frozen=True)
class Arm:
    """One way of learning.

    labels: one labeling function's votes, the label model's soft labels of all three, the
    image's true grade of every training study, or the trusted grades of the anchors alone.
    """

    name: str
    title: str
    labels: Labels
    learns: Literal["images", "joint", "two-phase"] = "images"
    distils: bool = False
    shuffles: bool = False


ARMS = {
    arm.name: arm
    for arm in (
        Arm("image-only", "image-only, one labeler", "one"),
        Arm("image-only-model", "image-only, label model", "model"),
        Arm("founding", "founding two-phase, one labeler", "one", "two-phase"),
        Arm("mixed", "one-run mixed, label model", "model", "joint"),
        Arm("mixed-shuffled", "one-run mixed, shuffled pairs", "model", "joint", shuffles=True),
        Arm("full", "full recipe", "model", "joint", distils=True),
        Arm("shuffled", "full recipe, shuffled pairs", "model", "joint", True, True),
        Arm("oracle", "oracle: every true grade", "truth"),
        Arm("anchors", "image-only, anchors alone", "anchors"),
    )
}
"""By name, in the order in which they are shown."""


def image_task(size: int) -> GradingTaskSettings:
    """Give the image-only task in global batches of this size."""
    return GradingTaskSettings(
        kind="grading",
        tower=TOWER,
        batches=BatchSettings(size=size),
        augment=AUGMENT,
        losses=GradingLossSettings(severity=1.0, findings=0.0),
    )


def joint_task(arm: Arm, size: int) -> JointTaskSettings:
    """Give an arm's task over labelled and unlabelled pairs, half of each batch graded."""
    return JointTaskSettings(
        kind="joint",
        tower=TOWER,
        text=TEXT,
        embedding_width=64,
        batches=BatchSettings(size=size, labelled_share=0.5, length_window=8),
        augment=AUGMENT,
        losses=JointLossSettings(
            severity=1.0,
            findings=0.0,
            text_severity=1.0,
            contrastive=InfoNceSettings(weight=2.0, temperature=0.1),
            distillation=DistillationSettings(weight=2.0 if arm.distils else 0.0, ramp_steps=100),
        ),
        shuffle_reports=arm.shuffles,
    )


def founding_task(size: int) -> tuple[JointTaskSettings, JointTaskSettings]:
    """Give the two phases of Chauhan, Liao et al. 2020: pairs alone, then graded pairs.

    Ranking by dot products against the next row of the batch, with margins by severity.
    """
    mixed = joint_task(ARMS["mixed"], size)
    losses = mixed.losses.model_copy(update={"contrastive": RankingSettings(kind="ranking")})
    alike = mixed.batches.model_copy(update={"labelled_share": None})
    second = mixed.model_copy(update={"batches": alike, "losses": losses})
    silent = losses.model_copy(update={"severity": 0.0, "text_severity": 0.0})
    return second.model_copy(update={"losses": silent}), second
