"""Mail that SES takes becomes a file, which any mail program opens: `STATE/mail/*.eml`. Nothing leaves the machine.

moto keeps a mail's subject and HTML alone, and takes headers and addresses that SES refuses.
"""

import itertools
import json
import re
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from local.aws import replace

_NAME, _VALUE = re.compile(r"[!-9;-~]{1,126}"), re.compile(r"[ -~]{1,995}")  # the patterns of MessageHeader in SES v2


def keep(folder: Path) -> None:
    """Let this process's moto write each mail into the folder, named in their order, and refuse what SES does."""
    from moto.core.exceptions import JsonRESTError
    from moto.sesv2.responses import SESV2Response

    number = itertools.count(1)

    def send(self: Any) -> Any:
        given = json.loads(self.body)
        if wrong := _wrong(given):
            raise JsonRESTError("BadRequestException", wrong)
        answer = send_email(self)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{next(number):06}.eml"
        new = path.with_suffix(".new")
        new.write_bytes(message(given).as_bytes(policy=SMTP))
        new.replace(path)
        return answer

    send_email = replace(SESV2Response, "send_email", send)


def message(given: dict[str, Any]) -> EmailMessage:
    """The mail of a request with Simple content, as SES would make it."""
    simple = given["Content"]["Simple"]
    made = EmailMessage()
    made["From"] = given["FromEmailAddress"]
    made["To"] = ", ".join(given["Destination"]["ToAddresses"])
    made["Subject"] = simple["Subject"]["Data"]
    for header in simple.get("Headers", ()):
        made[header["Name"]] = header["Value"]
    made.set_content(simple["Body"]["Text"]["Data"])
    if "Html" in simple["Body"]:
        made.add_alternative(simple["Body"]["Html"]["Data"], subtype="html")
    return made


def _wrong(given: dict[str, Any]) -> str | None:
    """Why SES refuses the request; None when it does not."""
    for address in given["Destination"].get("ToAddresses", ()):
        if not address.isascii():
            return f"Local address contains control or whitespace, or the domain is not ASCII: {address}"
    simple = given["Content"].get("Simple", {})
    if any(ord(c) < 32 for c in simple.get("Subject", {}).get("Data", "")):
        return "Header value of Subject contains a control character"
    for header in simple.get("Headers", ()):
        if not _NAME.fullmatch(header["Name"]) or not _VALUE.fullmatch(header["Value"]):
            return f"Header {header['Name']} has characters that SES does not take"
    return None
