"""The directory on the wire."""

from pydantic import BaseModel, ConfigDict, Field

from hospitals.model import Level


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class DivisionView(_View):
    code: str = Field(description="Six digits (GB/T 2260).", examples=["440103"])
    name: str = Field(examples=["荔湾区"])


class HospitalView(_View):
    district_code: str = Field(examples=["440103"])
    district_name: str = Field(examples=["荔湾区"])
    name: str = Field(description="Unique in its district.")
    level: Level
    type: str = Field(examples=["综合医院"])
    address: str
    phone: str = Field(description="Empty when it is not known.")
    confidence: float = Field(description="How sure the language model was, 0 to 1.")
    updated_at: str = Field(description="When it last was different (RFC 3339, UTC).")
