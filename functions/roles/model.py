"""A role, and the material that it is made from.

A tenant's lists (products, knowledge) are in its own order: the first item matters most.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_PRODUCTS, MAX_KNOWLEDGE = 50, 100

Short = Annotated[str, StringConstraints(max_length=100)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Material(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class BaseInfo(_Material):
    """Who speaks for whom, to whom, and what for. No role can be written without it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"company": "晨光口腔", "role_name": "小晨", "goal": "邀约到店检查"}]}
    )

    company: Line = Field(examples=["晨光口腔"])
    role_name: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(examples=["小晨"])
    industry: Short = Field("", examples=["口腔医疗"])
    goal: Annotated[str, StringConstraints(max_length=500)] = Field("", examples=["邀约到店检查"])
    audience: Annotated[str, StringConstraints(max_length=500)] = Field("", examples=["三个月内咨询过种植牙的客户"])
    introduction: Annotated[str, StringConstraints(max_length=2000)] = Field("", description="Of the company.")


class TalkStyle(_Material):
    """How the role is to sound."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tone": "亲切、专业、不催促", "phrases": ["您放心"], "avoid": ["保证治好"]}]}
    )

    tone: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(examples=["亲切、专业、不催促"])
    phrases: list[Line] = Field(default=[], max_length=10, description="What it likes to say.")
    avoid: list[Line] = Field(default=[], max_length=10, description="What it never says.")
    sample: Annotated[str, StringConstraints(max_length=1000)] = Field("", description="A passage in this style.")


class Product(_Material):
    """Something that is offered."""

    name: Line = Field(examples=["种植牙套餐"])
    description: Annotated[str, StringConstraints(max_length=2000)] = ""
    price: Short = Field("", examples=["6,980 元起"])
    selling_points: list[Line] = Field(default=[], max_length=10)


class Knowledge(_Material):
    """Something the role has to know."""

    title: Line = Field(examples=["种植牙的疗程"])
    content: Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Material(_Material):
    """All that a tenant has given for one of its tasks."""

    base_info: BaseInfo | None = None
    talk_style: TalkStyle | None = None
    products: list[Product] = []
    knowledge: list[Knowledge] = []

    @property
    def missing(self) -> list[str]:
        """The kinds of material that are empty."""
        return [kind for kind in type(self).model_fields if not getattr(self, kind)]


Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objection(_Answer):
    objection: Text = Field(description="What the customer may say against it.")
    answer: Text = Field(description="What the role answers.")


class RoleDocument(_Answer):
    """A role, as the language model writes it and as it is served."""

    identity: Text = Field(description="Who the role is, for whom it speaks, and what for.")
    tone: Text = Field(description="How it speaks.")
    opening: Text = Field(description="Its first words.")
    talking_points: list[Text] = Field(min_length=1, max_length=20, description="In the order in which they come up.")
    objections: list[Objection] = Field(max_length=20)
    taboos: list[Text] = Field(max_length=20, description="What it never says or does.")
