"""What each model of the provider can make, and what that costs: checked before anything is paid.

As Alibaba Cloud documents them (Model Studio, Beijing, November 2026), prices in yuan: they stand nowhere else. A model
that is not here is refused: its fields and its price are unknown. Another one is a line more.

https://help.aliyun.com/zh/model-studio/model-pricing
https://help.aliyun.com/zh/model-studio/text-to-image-v2-api-reference
https://help.aliyun.com/zh/model-studio/image-to-video-api-reference
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

type Aspect = Literal["16:9", "9:16", "1:1"]
type Resolution = Literal["480P", "720P", "1080P"]

VIDEO_PATH = "/api/v1/services/aigc/video-generation/video-synthesis"
IMAGE_PATH = "/api/v1/services/aigc/text2image/image-synthesis"


@dataclass(frozen=True)
class ImageModel:
    """A text-to-image model: its sizes by aspect, the price of an image, and how much of a prompt it reads."""

    name: str
    price: Decimal
    sizes: Mapping[Aspect, str]
    prompt_length: int
    path: str = IMAGE_PATH


@dataclass(frozen=True)
class ClipModel:
    """A model of clips. `seconds` are the lengths it makes, `prices` those of a second by resolution.

    `from_frame`: it begins with an image (image-to-video), whose aspect it keeps; otherwise with the text alone, and
    then it takes one of `sizes` by resolution and aspect. `prompt_length`: the characters of a prompt that it reads.
    """

    name: str
    seconds: tuple[int, ...]
    prices: Mapping[Resolution, Decimal]
    from_frame: bool = True
    sizes: Mapping[tuple[Resolution, Aspect], str] | None = None
    prompt_length: int = 1_500
    path: str = VIDEO_PATH

    def price(self, resolution: Resolution, seconds: int) -> Decimal:
        return self.prices[resolution] * seconds


_SIZES: dict[Aspect, str] = {"16:9": "1280*720", "9:16": "720*1280", "1:1": "1024*1024"}
_LARGE_SIZES: dict[Aspect, str] = {"16:9": "1696*960", "9:16": "960*1696", "1:1": "1280*1280"}
_CLIP_SIZES: dict[tuple[Resolution, Aspect], str] = {
    ("720P", "16:9"): "1280*720",
    ("720P", "9:16"): "720*1280",
    ("720P", "1:1"): "960*960",
    ("1080P", "16:9"): "1920*1080",
    ("1080P", "9:16"): "1080*1920",
    ("1080P", "1:1"): "1440*1440",
}

IMAGE_MODELS = {
    model.name: model
    for model in (
        ImageModel("wan2.2-t2i-flash", Decimal("0.14"), _SIZES, prompt_length=500),
        # Its pictures have 1280 x 1280 pixels at least.
        ImageModel("wan2.5-t2i-preview", Decimal("0.20"), _LARGE_SIZES, prompt_length=2_000),
    )
}
CLIP_MODELS = {
    model.name: model
    for model in (
        ClipModel("wan2.6-i2v", (5, 10, 15), {"720P": Decimal("0.60"), "1080P": Decimal("1.00")}),
        ClipModel(
            "wan2.5-i2v-preview",
            (5, 10),
            {"480P": Decimal("0.30"), "720P": Decimal("0.60"), "1080P": Decimal("1.00")},
        ),
        ClipModel("wan2.2-i2v-plus", (5,), {"480P": Decimal("0.14"), "1080P": Decimal("0.70")}, prompt_length=800),
        ClipModel(
            "wan2.6-t2v",
            (5, 10, 15),
            {"720P": Decimal("0.60"), "1080P": Decimal("1.00")},
            from_frame=False,
            sizes=_CLIP_SIZES,
        ),
    )
}
DEFAULT_IMAGE_MODEL = "wan2.2-t2i-flash"
DEFAULT_CLIP_MODEL = "wan2.6-i2v"
