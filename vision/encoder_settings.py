"""The settings of image encoders: which network, which weights it starts from, which norm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from configs.settings import Settings

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
CHAUHAN_WIDTHS = (8, 16, 32, 64, 128, 192, 192)


class EncoderError(ValueError):
    """An image encoder that cannot be built; the message names the setting and what is known."""


class WeightSettings(Settings):
    """A local safetensors file with the network's own weights (see `docs/encoders.md`).

    sha256: the only file that will do, when given. mean, deviation: how its training images were
    normalised, (pixel − mean) / deviation with pixels in [0, 1]; one number per input channel of
    its first convolution: three for RGB (ImageNet's are the default), one for grey.
    """

    path: Path
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION

    @model_validator(mode="after")
    def _check_channels(self) -> WeightSettings:
        if len(self.mean) not in {1, 3} or len(self.mean) != len(self.deviation):
            raise ValueError(
                f"mean {self.mean} and deviation {self.deviation}: expected one number (grey) "
                "or three (RGB) in both"
            )
        if min(self.deviation) <= 0:
            raise ValueError(f"deviation {self.deviation}: expected numbers above 0")
        return self

    def forget_folder(self) -> WeightSettings:
        """Keep the name of the file and not its folder, which is of no use to others."""
        return self.model_copy(update={"path": Path(self.path.name)})


class NamedEncoderSettings(Settings):
    """A network that a library knows by name, without its classifier.

    `arguments` go to its builder (`image_size` or `img_size` for networks of a fixed size).
    It starts from the library's weights (`pretrained`), from a local file (`weights`), or from
    random numbers. `norm`: `batch` keeps batch normalisation; `group` replaces it by group
    normalisation, which makes a result independent of how samples fall on processes;
    `frozen_batch` keeps the statistics of given weights fixed. Other norms stay as they are.
    Dropout and stochastic depth are off unless `arguments` ask for them.
    """

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    pretrained: bool = False
    weights: WeightSettings | None = None
    norm: Literal["batch", "group", "frozen_batch"] = "batch"

    @property
    def starts_taught(self) -> bool:
        """Say whether the network starts from weights that were trained before."""
        return self.pretrained or self.weights is not None

    @model_validator(mode="after")
    def _check_start(self) -> NamedEncoderSettings:
        if self.pretrained and self.weights is not None:
            raise ValueError("give pretrained: true or weights, not both")
        if self.starts_taught and self.norm == "group":
            raise ValueError("pretrained weights need norm batch or frozen_batch, not group")
        if not self.starts_taught and self.norm == "frozen_batch":
            raise ValueError(
                "norm frozen_batch needs pretrained weights, whose statistics it keeps"
            )
        return self


class TorchvisionEncoderSettings(NamedEncoderSettings):
    """A torchvision classification network: a builder (`resnet18`) or a class (`DenseNet`)."""

    kind: Literal["torchvision"] = "torchvision"


class TimmEncoderSettings(NamedEncoderSettings):
    """A network of `timm` by name (`resnetv2_50`, `swin_tiny_patch4_window7_224`)."""

    kind: Literal["timm"] = "timm"


class ChauhanEncoderSettings(Settings):
    """The residual network of Chauhan, Liao et al. 2020 (see `vision/residual_network.py`).

    widths: channels of each stage; every stage halves the side, after a stem that quarters it.
    The paper's seven stages are made for images of 2048²; fewer serve smaller images.
    """

    kind: Literal["chauhan2020"] = "chauhan2020"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field(CHAUHAN_WIDTHS, min_length=1)


ImageEncoderSettings = Annotated[
    TorchvisionEncoderSettings | TimmEncoderSettings | ChauhanEncoderSettings,
    Field(discriminator="kind"),
]
"""The union of the encoder kinds, told apart by `kind`."""


def forget_folder(encoder: ImageEncoderSettings) -> ImageEncoderSettings:
    """Keep the name of an encoder's weights file, if it has one, and not its folder."""
    if not isinstance(encoder, NamedEncoderSettings) or encoder.weights is None:
        return encoder
    return encoder.model_copy(update={"weights": encoder.weights.forget_folder()})
