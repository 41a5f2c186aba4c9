"""What is sent between the functions of e-mail."""

from pydantic import BaseModel, Field


class Wakeup(BaseModel):
    """To `send_mail`: something is due to these recipients. One that is lost costs the time until the next sweep."""

    recipient_ids: list[str] = Field(max_length=100)
