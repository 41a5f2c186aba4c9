"""Roles and their material over HTTP: request bodies, documents and pages."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from longhaul.http import Page, PageParams, Timestamp, page_of
from roles.library import Slice
from roles.model import MAX_KNOWLEDGE, MAX_PRODUCTS, BaseInfo, Knowledge, Material, Product, RoleDocument, TalkStyle
from roles.store import ListedRole, Role, RoleKey, Version

Money = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount.normalize():f}", return_type=str)]

EXAMPLE_ID = "role_3f2504e04f8941d39a0c0305e82c3301"


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Products(_Given):
    """All products of a task, what matters most first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"name": "种植牙套餐", "price": "6,980 元起"}]}]}
    )

    items: list[Product] = Field(max_length=MAX_PRODUCTS)


class KnowledgeItems(_Given):
    """All knowledge of a task, what matters most first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"title": "种植牙的疗程", "content": "一般三到六个月。"}]}]}
    )

    items: list[Knowledge] = Field(max_length=MAX_KNOWLEDGE)


class MaterialView(_View):
    """What is there for a task, and the kinds of which nothing is: only base_info is needed."""

    task_id: str = Field(examples=["T-1"])
    base_info: BaseInfo | None
    talk_style: TalkStyle | None
    products: list[Product]
    knowledge: list[Knowledge]
    missing: list[str] = Field(examples=[["talk_style"]])


class RoleSummary(_View):
    """A role in a list."""

    role_id: str = Field(examples=[EXAMPLE_ID])
    task_id: str = Field(description="The tenant's own.", examples=["T-1"])
    strategy_id: str = Field(description="The tenant's own.", examples=["S-1"])
    version: int = Field(description="The latest; the first is 1.", examples=[2])
    created_at: Timestamp
    updated_at: Timestamp = Field(description="When the latest version was written.")


class _Version(_View):
    version: int = Field(examples=[2])
    made_by: str = Field(description="The task that made it.", examples=["role_creation_20261125_143052_1a2b3c4d"])
    prompt: str = Field(description="Tells the prompt's text from others.", examples=["9f86d081884c"])
    model: str = Field(examples=["deepseek"])
    requests: int = Field(description="What the model was asked, repairs included.", examples=[1])
    prompt_tokens: int
    completion_tokens: int
    cost: Money = Field(description="In the currency of the model's prices.", examples=["0.0042"])
    seconds: float = Field(description="How long the model was asked.")
    estimated: bool = Field(description="The model did not count its tokens: they are its characters.")
    created_at: Timestamp


class VersionSummary(_Version):
    """A version of a role, without what it says."""


class RoleView(_Version):
    """A version of a role, the latest unless another was asked for."""

    role_id: str = Field(examples=[EXAMPLE_ID])
    task_id: str = Field(description="The tenant's own.", examples=["T-1"])
    strategy_id: str = Field(description="The tenant's own.", examples=["S-1"])
    latest_version: int = Field(examples=[2])
    content: RoleDocument
    missing: list[str] = Field(description="The kinds of material that were not there.", examples=[["talk_style"]])
    left_out: dict[str, list[int]] = Field(
        description="Positions, from 1, of what there was no room for.", examples=[{"knowledge": [7, 8]}]
    )


def material_view(task_id: str, material: Material) -> MaterialView:
    return MaterialView(task_id=task_id, missing=material.missing, **dict(material))


def role_view(role: Role) -> RoleView:
    return RoleView.model_validate(vars(role))


def role_page(found: Slice[ListedRole], params: PageParams, of: object) -> Page[RoleSummary]:
    """`of` tells the list apart from all others, here and below: its cursors are valid for no other."""
    items = [RoleSummary.model_validate(vars(role)) for role in found.items]
    return page_of(items, found.total, params, of=of, last=RoleKey.of(found.items[-1]) if found.more else None)


def version_page(found: Slice[Version], params: PageParams, of: object) -> Page[VersionSummary]:
    items = [VersionSummary.model_validate(vars(version)) for version in found.items]
    return page_of(items, found.total, params, of=of, last=[found.items[-1].version] if found.more else None)
