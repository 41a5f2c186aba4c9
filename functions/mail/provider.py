"""Amazon SES, as mails see it (API v2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from longhaul import aws, settings
from longhaul.errors import PermanentError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger
from mail.model import clean

NAME = "Longhaul"  # of the sender, as mail programs show it
_REFUSED = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})
_THROTTLED = frozenset({"TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling"})


class AddressRejected(PermanentError):
    """SES takes no mail for this address."""

    code = "address_rejected"


@dataclass(frozen=True)
class Letter:
    """A mail: its subject, the same in text and in HTML, and headers beside those that SES writes."""

    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


def send(letter: Letter, address: str) -> None:
    """Hand a mail over to SES.

    Raises AddressRejected when SES says that the address is at fault; ProviderThrottled or ProviderUnavailable when it
    may take the mail later, also where the deployment is at fault (the sender is not verified, the function may not
    send): no recipient can help that. After ProviderUnavailable the mail may have been sent all the same.
    """
    sender = settings.of(settings.Mail).mail_from
    try:
        aws.client("sesv2").send_email(
            FromEmailAddress=f"{NAME} <{sender}>",
            Destination={"ToAddresses": [address]},
            Content={
                "Simple": {
                    "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": letter.text, "Charset": "UTF-8"},
                        "Html": {"Data": letter.html, "Charset": "UTF-8"},
                    },
                    "Headers": [{"Name": name, "Value": value} for name, value in letter.headers.items()],
                }
            },
        )
    except aws.errors() as error:
        code, reason = aws.error_code(error), clean(_message(error), 500)
        if code in _REFUSED and not _is_about(sender, reason):
            raise AddressRejected(reason) from error
        if code in _THROTTLED:
            raise ProviderThrottled(reason) from error
        if not aws.is_away(error):
            logger.error("SES takes no mail from this deployment", extra={"code": code, "reason": reason})
        raise ProviderUnavailable(reason) from error


def _is_about(sender: str, reason: str) -> bool:
    """Whether a refusal names the sender, as that of an identity which is not verified does."""
    return sender.lower() in reason.lower()


def _message(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Message") or error)
