"""Recipients of e-mail over HTTP."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from longhaul.http import Response, Timestamp
from longhaul.validation import NotEmpty
from mail.model import MAX_ADDRESS_LENGTH, Language, Recipient, RecipientStatus, address_of

EXAMPLE_ID = "recipient_3f2504e04f8941d39a0c0305e82c3301"
# A page holds no address of another site, is in no frame, and its own address, which has a token, is given to nobody.
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

Address = Annotated[str, Field(min_length=3, max_length=MAX_ADDRESS_LENGTH), AfterValidator(address_of)]
KindName = Annotated[str, Field(min_length=1, max_length=64)]


class NewRecipient(BaseModel):
    """Who is to be told when tasks end, of these kinds (of every kind when left out), in which language."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"address": "ada@example.com", "language": "en"}]}
    )

    address: Address
    language: Language
    kinds: Annotated[list[KindName] | None, NotEmpty] = Field(None, min_length=1, max_length=50)


class RecipientView(BaseModel):
    """A recipient. Only one that is `confirmed` is told anything. `reason`: why SES refused it (`rejected`)."""

    model_config = ConfigDict(frozen=True)

    recipient_id: str = Field(examples=[EXAMPLE_ID])
    address: str = Field(examples=["ada@example.com"])
    language: Language
    kinds: list[str] | None = Field(description="Null: tasks of every kind.")
    status: RecipientStatus
    reason: str | None
    created_at: Timestamp
    confirmed_at: Timestamp | None


class Recipients(BaseModel):
    """All recipients of the tenant, the oldest first."""

    items: list[RecipientView]


class Removed(BaseModel):
    """The recipient is gone, and is told nothing more."""

    recipient_id: str = Field(examples=[EXAMPLE_ID])


def recipient_view(recipient: Recipient) -> RecipientView:
    return RecipientView.model_validate(vars(recipient), extra="ignore")


def location(recipient: Recipient) -> str:
    return f"/api/v1/mail/recipients/{recipient.recipient_id}"


def html(page: str, status: int = 200) -> Response[str]:
    """The page as an answer."""
    return Response(status, "text/html; charset=utf-8", page, headers=dict(PAGE_HEADERS))
