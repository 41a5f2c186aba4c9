"""What a video is: what a caller asks for, its script and its scenes, and the files that are made of them."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from longhaul.validation import Cost
from videos.capabilities import (
    CLIP_MODELS,
    DEFAULT_CLIP_MODEL,
    DEFAULT_IMAGE_MODEL,
    IMAGE_MODELS,
    Aspect,
    ClipModel,
    ImageModel,
    Resolution,
)
from videos.lettering import LANGUAGES

KIND, REMAKE_KIND = "video_generation", "video_scene_regeneration"
MIN_SECONDS, MAX_SECONDS = 5, 180
MAX_SCENES = MAX_SECONDS // 5

ConversationId = Annotated[str, Field(pattern=r"^conv_[0-9a-f]{32}$")]
VideoId = Annotated[str, Field(min_length=1, max_length=96)]


class Look(BaseModel):
    """How the clips of a video are made, and what the film may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aspect: Aspect = "16:9"
    resolution: Resolution = "720P"
    scene_seconds: int = Field(
        5, strict=True, ge=1, le=15, description="Seconds of each scene; its model must make such clips."
    )
    model: str = Field(DEFAULT_CLIP_MODEL, max_length=64, description="The model of clips.", examples=["wan2.6-i2v"])
    image_model: str = Field(
        DEFAULT_IMAGE_MODEL, max_length=64, description="The model of first frames.", examples=["wan2.2-t2i-flash"]
    )
    max_cost: Cost | None = Field(
        None, description="What the task may cost at most, in yuan; null for no limit.", examples=["50"]
    )

    @model_validator(mode="after")
    def can_be_made(self) -> Self:
        """The models are known, and make such clips."""
        clips = CLIP_MODELS.get(self.model)
        if clips is None:
            raise _refusal("model", self.model, CLIP_MODELS)
        if self.resolution not in clips.prices:
            raise _refusal("resolution", self.resolution, clips.prices)
        if self.scene_seconds not in clips.seconds:
            raise _refusal("scene_seconds", self.scene_seconds, clips.seconds)
        if self.image_model not in IMAGE_MODELS:
            raise _refusal("image_model", self.image_model, IMAGE_MODELS)
        return self

    @property
    def clips(self) -> ClipModel:
        return CLIP_MODELS[self.model]

    @property
    def images(self) -> ImageModel:
        return IMAGE_MODELS[self.image_model]

    @property
    def scene_price(self) -> Decimal:
        """What one scene costs: its clip, and its first frame if the model begins with one."""
        frame = self.images.price if self.clips.from_frame else Decimal(0)
        return frame + self.clips.price(self.resolution, self.scene_seconds)


class Video(Look):
    """What a caller submits. The film has as many whole scenes as its seconds need."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"topic": "How the tide turns a harbour", "seconds": 30, "max_cost": "50"}]}
    )

    topic: str | None = Field(
        None, min_length=1, max_length=2_000, description="What it is about; a conversation may say it, too."
    )
    conversation_id: ConversationId | None = Field(
        None, description="What was said of it, which the script is made of."
    )
    seconds: int = Field(30, strict=True, ge=MIN_SECONDS, le=MAX_SECONDS, description="How long the film is.")
    style: str = Field("", max_length=200, examples=["watercolour"])
    language: str = Field("en", pattern=r"^[a-z]{2}(-[A-Z]{2})?$", description="Of script and subtitles.")
    burn_subtitles: bool = Field(
        False, strict=True, description="Whether what is said is also written into the pictures."
    )
    title_card: bool = Field(False, strict=True, description="Whether the film begins with its title, for 2 seconds.")
    approve: Literal["none", "script", "storyboard"] = Field(
        "none", description="Where the task waits for a person: resuming it approves."
    )
    on_missing: Literal["fail", "skip"] = Field(
        "fail", description="When a scene cannot be made: the task fails, or the film goes without it and says so."
    )

    @model_validator(mode="after")
    def is_about_something(self) -> Self:
        if self.topic is None and self.conversation_id is None:
            raise PydanticCustomError("no_topic", "name a topic or a conversation_id")
        return self

    @model_validator(mode="after")
    def can_be_written(self) -> Self:
        """The font has the letters of what is drawn into the pictures."""
        if (self.burn_subtitles or self.title_card) and self.language[:2] not in LANGUAGES:
            name = "burn_subtitles" if self.burn_subtitles else "title_card"
            known = ", ".join(sorted(LANGUAGES))
            raise PydanticCustomError("unknown_letters", f"{name} cannot write {self.language}: {known}")
        return self

    @property
    def scenes(self) -> int:
        return math.ceil(self.seconds / self.scene_seconds)

    @property
    def cost(self) -> Decimal:
        """What its frames and clips cost; the language model's share is small, and not in it."""
        return self.scenes * self.scene_price


class Remake(Look):
    """A scene of a video that is made anew, and the film with it. `prompt`: what its picture shows now."""

    video_id: VideoId
    sequence_number: int = Field(strict=True, ge=1, le=MAX_SCENES)
    prompt: str | None = Field(None, min_length=1, max_length=800)


class Brief(BaseModel):
    """What a conversation has come to; null is not known yet."""

    model_config = ConfigDict(frozen=True)

    topic: str | None = Field(None, min_length=1, max_length=2_000)
    seconds: int | None = Field(None, strict=True, ge=MIN_SECONDS, le=MAX_SECONDS)
    style: str | None = Field(None, min_length=1, max_length=200)
    language: str | None = Field(None, pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    aspect: Aspect | None = None

    @property
    def missing(self) -> list[str]:
        return [name for name, value in self if value is None]

    def and_then(self, later: "Brief") -> "Brief":
        """This brief with what a later one knows better."""
        return self.model_copy(update={name: value for name, value in later if value is not None})


class Script(BaseModel):
    """What the film tells."""

    model_config = ConfigDict(frozen=True)

    title: str = Field(min_length=1, max_length=120)
    summary: str = Field(min_length=1, max_length=1_000, description="The film in a few sentences.")
    look: str = Field("", max_length=400, description="What all pictures have in common: people, places, light.")


class Scene(BaseModel):
    """A scene: what is said, and what its picture shows and how it moves."""

    model_config = ConfigDict(frozen=True)

    title: str = Field(min_length=1, max_length=120)
    narration: str = Field(max_length=400, description="What is said, in the film's language; its subtitle.")
    prompt: str = Field(min_length=1, max_length=800, description="What the picture shows.")
    motion: str = Field("", max_length=400, description="What moves in it, and the camera.")


@dataclass(frozen=True)
class Versioned[T]:
    """A script or a scene as it is now. `edited_by` is a user, None: the language model. Times are aware, UTC."""

    version: int
    content: T
    edited_by: str | None
    created_at: datetime


class Part(StrEnum):
    """The kinds of files. Those of a scene, the parts of a film, and the film with what belongs to it."""

    frame = "frame"
    clip = "clip"
    part = "part"
    film = "film"
    subtitles = "subtitles"
    thumbnail = "thumbnail"
    preview = "preview"


CONTENT_TYPES = {
    Part.frame: "image/png",
    Part.clip: "video/mp4",
    Part.part: "video/mp4",
    Part.film: "video/mp4",
    Part.subtitles: "text/vtt",
    Part.thumbnail: "image/jpeg",
    Part.preview: "video/mp4",
}
SUFFIXES = {"image/png": "png", "video/mp4": "mp4", "text/vtt": "vtt", "image/jpeg": "jpg"}


@dataclass(frozen=True)
class Measures:
    """What was found in a file. `seconds` is None for a picture and a text, the sizes for a text."""

    bytes: int
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool = False


@dataclass(frozen=True)
class Resource:
    """A file of a video, in the bucket under `object_key`."""

    sequence_number: int
    kind: Part
    version: int
    object_key: str
    measures: Measures
    made_by: str
    cost: Decimal = Decimal(0)
    created_at: datetime | None = None


def _refusal(field: str, given: object, known: object) -> PydanticCustomError:
    names = ", ".join(map(str, known)) if isinstance(known, dict | tuple) else str(known)
    return PydanticCustomError("unknown_choice", f"{field} {given} is not made: {names}")
