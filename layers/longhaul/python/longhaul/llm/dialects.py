"""The parts of a request that an endpoint takes: endpoints of OpenAI's protocol refuse some of them with a 400.

DeepSeek, Ark, Groq and SiliconFlow refuse `json_schema` (some of their models `json_object` too), Moonshot a
temperature of 0, OpenAI's newer models `max_tokens`. Their messages differ, but each names what it refuses. So after a
refusal that names a part, the request is sent again without that part; any other refusal is final. Each part is given
up once, so a consultation meets four refusals at most. A dialect is kept once the endpoint has answered it.

    dialects = SharedDialects("llm:deepseek-chat@api.deepseek.com")
    dialect = dialects.recall()
    weaker = dialect.without_refused("This response_format type is unavailable now")
    dialects.keep(dialect, weaker)
"""

import re
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from longhaul import aws, settings
from longhaul.aws.dynamodb import REST_SECONDS
from longhaul.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Format = Literal["json_schema", "json_object", "none"]
type Limit = Literal["max_tokens", "max_completion_tokens"]

FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "none")
MAX_READ = 2_000  # characters of a refusal; what follows may be the request itself
KEPT_SECONDS = 7 * 86_400  # then every part is tried anew: the endpoint may have learned
READ_SECONDS = 300.0  # an environment reads the shared dialect this often

# The words of DeepSeek, Ark, Groq, LM Studio (response_format), vLLM, llama.cpp (schema, grammar), SiliconFlow and
# DashScope (JSON mode), DeepInfra (response format).
_FORMAT = re.compile(r"response[_ ]format|json[_ ]?schema|json[_ ]object|json[_ ]mode|structured[_ ]output|grammar")


class Dialect(NamedTuple):
    """How a request states the answer's form, whether it has a temperature, and how its limit of tokens is called."""

    response_format: Format = "json_schema"
    temperature: bool = True
    limit: Limit = "max_tokens"

    def without_refused(self, refusal: str, *, fixed_format: bool = False) -> Self | None:
        """The dialect without the part that the refusal names; None when it names none that could be left out."""
        named = refusal[:MAX_READ].lower()
        if self.limit == "max_tokens" and "max_completion_tokens" in named:
            return self._replace(limit="max_completion_tokens")
        if self.temperature and "temperature" in named:
            return self._replace(temperature=False)
        if self.response_format != "none" and not fixed_format and _FORMAT.search(named):
            return self._replace(response_format=FORMATS[FORMATS.index(self.response_format) + 1])
        return None


class Dialects:
    """The dialect of one endpoint, as this execution environment knows it; its format may be configured."""

    def __init__(self, response_format: Format | None = None) -> None:
        self.fixed = response_format is not None
        self._known = Dialect(response_format or FORMATS[0])

    def recall(self) -> Dialect:
        return self._known

    def keep(self, before: Dialect, learned: Dialect) -> None:
        """Call it when the endpoint has answered `learned` after it refused `before`."""
        self._known = learned


class SharedDialects(Dialects):
    """The same, shared by all environments as an item of the breakers' table. Without DynamoDB each finds it out."""

    def __init__(self, name: str, response_format: Format | None = None) -> None:
        super().__init__(response_format)
        self._initial = self._known
        self._key: dict[str, AttributeValueTypeDef] = {"circuit": {"S": f"dialect:{name}"}}
        self._fresh_until = 0.0

    def recall(self) -> Dialect:
        if time.monotonic() >= self._fresh_until:
            self._read()
        return super().recall()

    def keep(self, before: Dialect, learned: Dialect) -> None:
        super().keep(before, learned)
        logger.warning("the endpoint refuses a part of the request", extra=learned._asdict())
        changed = {name: value for name, value in learned._asdict().items() if value != getattr(before, name)}
        values: dict[str, AttributeValueTypeDef] = {
            f":{name}": {"BOOL": value} if isinstance(value, bool) else {"S": value} for name, value in changed.items()
        }
        values[":expires_at"] = {"N": str(int(time.time()) + KEPT_SECONDS)}
        try:
            aws.client("dynamodb").update_item(
                TableName=_table(),
                Key=self._key,
                UpdateExpression="SET " + ", ".join(f"#{name[1:]} = {name}" for name in values),
                ExpressionAttributeNames={f"#{name[1:]}": name[1:] for name in values},
                ExpressionAttributeValues=values,
            )
        except aws.errors() as error:
            logger.warning("dialect not written", extra={"reason": str(error)})

    def _read(self) -> None:
        self._fresh_until = time.monotonic() + READ_SECONDS
        try:
            item = aws.client("dynamodb").get_item(TableName=_table(), Key=self._key).get("Item", {})
        except aws.errors() as error:
            self._fresh_until = time.monotonic() + REST_SECONDS
            logger.warning("dialect not read", extra={"reason": str(error)})
            return
        self._known = self._initial
        if float(item.get("expires_at", {}).get("N", "0")) > time.time():
            self._known = self._learned(item)

    def _learned(self, item: "dict[str, AttributeValueTypeDef]") -> Dialect:
        """A part that is missing, or that another version has written and this one does not know, stays initial."""
        initial = self._initial
        response_format, limit = item.get("response_format", {}).get("S"), item.get("limit", {}).get("S")
        formats = [initial.response_format] if self.fixed else FORMATS
        return Dialect(
            response_format=next((one for one in formats if one == response_format), initial.response_format),
            temperature=item.get("temperature", {}).get("BOOL", initial.temperature),
            limit="max_completion_tokens" if limit == "max_completion_tokens" else initial.limit,
        )


def _table() -> str:
    name: str = settings.of(settings.Breaker).breaker_table
    return name
