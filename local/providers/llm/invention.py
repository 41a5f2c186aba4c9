"""Answers to questions that nobody taught the stand-in: JSON of any schema, or prose, in words of the prompt.

    invent(Summary.model_json_schema(), "Summarise this:\n\nThe tide rises twice a day. ...")

The same schema and prompt always get the same answer. Of JSON Schema it knows what Pydantic writes, and a little more.
A schema that it cannot satisfy is a ValueError.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from local.providers.faults import draw
from local.providers.llm.patterns import matching

MAX_DEPTH = 6  # below, lists are as short as they may be, and what is optional is left out
MAX_NESTING = 60
TRIES = 60  # for a text that has both a pattern and a length, or a list without repetitions
WORDS, CHARACTERS = 14, 36  # of a text: words, or characters where there are no spaces
ITEMS = 3
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = ("summary", "title", "reply")  # what begins as the text does
SHARE = re.compile(r"confidence|score|share|rate|ratio|probability|fraction|sentiment")

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]?")
_LINE_FOR_PROGRAMS = re.compile(r"^(?:.*[:：]\n)?[ \t]*\{.*$", re.MULTILINE)  # and the line that leads to it
_HAN = re.compile(r"[\u3400-\u9fff]")

type Schema = Mapping[str, Any]


def invent(schema: Schema, prompt: str) -> Any:
    """Return a value that satisfies the schema. Raises ValueError, KeyError, TypeError."""
    return _Inventor(schema, prompt).value(schema, ())


def reply(prompt: str) -> str:
    """Return a plausible sentence or two to the prompt."""
    excerpt = _Text(prompt).excerpt("reply", ())
    if _HAN.search(excerpt):
        return f"关于“{excerpt.rstrip('。！？.!?')}”：总体来看值得关注，建议先看要点，再看细节。"
    return f"About “{excerpt.rstrip('.!?')}”: the main point holds. Start with it, then look at the details."


class _Text:
    """What a prompt is about: its longest paragraph, without the lines for programs. Its words make the texts.

    The first of several paragraphs only asks.
    """

    def __init__(self, prompt: str) -> None:
        lines = _LINE_FOR_PROGRAMS.sub("", prompt)
        asked, *others = [part.strip() for part in lines.split("\n\n") if part.strip()] or [""]
        text = max(others, key=len, default=asked) or " ".join(_texts_of_json(prompt))
        self.prompt = prompt
        self._sentences = [found.strip() for found in _SENTENCE.findall(text) if found.strip()] or ["An answer."]

    def excerpt(self, name: str, path: Sequence[object]) -> str:
        """The first words; in a list, those of one sentence after another, and then of their rests."""
        numbers = [part for part in path if isinstance(part, int)]
        turn, place = divmod(sum(numbers), len(self._sentences))
        if not numbers and name not in FIRST:
            place = int(draw(self.prompt, *path)[0] * len(self._sentences))
        sentence: str = self._sentences[place]
        words, between, most = (sentence, "", CHARACTERS) if _HAN.search(sentence) else (sentence.split(), " ", WORDS)
        text = between.join(words[turn % len(words) :][:most])
        return text if turn < len(words) else f"{turn} {text}"


class _Inventor:
    def __init__(self, root: Schema, prompt: str) -> None:
        self._root = root
        self._text = _Text(prompt)

    def value(self, schema: Schema | bool, path: tuple[object, ...]) -> Any:
        """`path` says where in the answer the value stands; its last name is the field's."""
        if schema is True:
            return self._words({}, path)
        if schema is False:
            raise ValueError("a schema that nothing satisfies")
        if len(path) > MAX_NESTING:
            raise ValueError("the schema never ends")
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"], path)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            rest = {name: part for name, part in schema.items() if name not in ("anyOf", "oneOf")}
            return self.value(_merged([rest, self._option(options, path)]), path)
        return self._typed(schema, path)

    def _typed(self, schema: Schema, path: tuple[object, ...]) -> Any:
        match _type_of(schema):
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case "boolean":
                return self._number(path, 2) == 1
            case "integer" | "number" as kind:
                return self._figure(schema, path, whole=kind == "integer")
            case "null":
                return None
        return self._string(schema, path)

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(MAX_NESTING):
            if "$ref" in schema:
                found: Any = self._root
                for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                    found = found[part.replace("~1", "/").replace("~0", "~")] if part else found
                schema = _merged([found, {name: part for name, part in schema.items() if name != "$ref"}])
            elif "allOf" in schema:
                rest = {name: part for name, part in schema.items() if name != "allOf"}
                schema = _merged([*map(self._resolved, schema["allOf"]), rest])
            else:
                return schema
        raise ValueError("the schema refers to itself")

    def _option(self, options: Sequence[Schema], path: tuple[object, ...]) -> Schema:
        """One of them; null only where the answer is deep enough, as it is the end of what refers to itself."""
        empty = [option for option in options if option.get("type") == "null"]
        if empty and len(path) > MAX_DEPTH:
            return empty[0]
        filled = [option for option in options if option not in empty] or empty
        flat = [option for option in filled if _type_of(self._resolved(option)) not in ("object", "array")]
        return self._resolved(self._one_of(flat if flat and len(path) > MAX_DEPTH else filled, path))

    def _object(self, schema: Schema, path: tuple[object, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            name: self.value(part, (*path, name))
            for name, part in schema.get("properties", {}).items()
            if name in required or len(path) <= MAX_DEPTH
        }
        more = schema.get("additionalProperties", not made)
        least = schema.get("minProperties", 0)
        wanted = least if len(path) > MAX_DEPTH or not isinstance(more, Mapping) else max(least, min(2, ITEMS))
        if more is False:
            return made
        names = schema.get("propertyNames", {})
        for number in range(TRIES):
            if len(made) >= min(wanted, schema.get("maxProperties", wanted)):
                break
            made.setdefault(self._name(names, (*path, number)), self.value(more, (*path, number)))
        return made

    def _name(self, schema: Schema, path: tuple[object, ...]) -> str:
        resolved = self._resolved(schema)
        if resolved:
            return str(self.value(resolved, path))
        words = re.findall(r"\w+", self._text.excerpt("name", path)) or ["name"]
        return f"{words[self._number(path, len(words))]}"[:24] + ("" if self._number(path, 2) else f"_{path[-1]}")

    def _array(self, schema: Schema, path: tuple[object, ...]) -> list[Any]:
        begun = [self.value(part, (*path, number)) for number, part in enumerate(schema.get("prefixItems", ()))]
        items = schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if items is False or (begun and "items" not in schema):
            return begun
        wanted = least if len(path) > MAX_DEPTH else min(most, max(least, len(begun) + ITEMS - self._number(path, 2)))
        if not schema.get("uniqueItems"):
            return begun + [self.value(items, (*path, number)) for number in range(len(begun), int(wanted))]
        seen = {json.dumps(one, sort_keys=True): one for one in begun}
        for number in itertools.count(len(begun)):
            if len(seen) >= wanted or number > TRIES * (1 + wanted):
                break
            one = self.value(items, (*path, number))
            seen.setdefault(json.dumps(one, sort_keys=True), one)
        if len(seen) < least:
            raise ValueError(f"no {least} different items found")
        return list(seen.values())

    def _figure(self, schema: Schema, path: tuple[object, ...], *, whole: bool) -> float:
        step = schema.get("multipleOf") or (1 if whole else 0)
        apart = step or 1e-6
        low, high = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            low = max(schema["exclusiveMinimum"] + apart, low if low is not None else -math.inf)
        if "exclusiveMaximum" in schema:
            high = min(schema["exclusiveMaximum"] - apart, high if high is not None else math.inf)
        span = 1 if not whole and SHARE.search(_named(path)) else 10
        low = low if low is not None else (0 if high is None or high >= 0 else high - span)
        high = min(high if high is not None else math.inf, max(low, 0) + span if high is None else high)
        drawn = low + draw(self._text.prompt, *path)[0] * (high - low)
        if step:
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if first > last:
                raise ValueError("no number between the limits")
            steps = min(max(round(drawn / step), first), last)
            return int(steps * step) if whole else steps * step
        rounded = round(drawn, 2)
        return rounded if low <= rounded <= high else drawn

    def _string(self, schema: Schema, path: tuple[object, ...]) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        if "pattern" in schema:
            for number in range(TRIES):
                text = matching(schema["pattern"], _Draws(self._text.prompt, *path, number))
                if least <= len(text) <= most and re.search(schema["pattern"], text):
                    return text
            raise ValueError(f"no text of this length found for {schema['pattern']}")
        return self._formatted(schema.get("format", ""), path) or self._words(schema, path)

    def _words(self, schema: Schema, path: tuple[object, ...]) -> str:
        text = self._text.excerpt(_named(path), path)
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        text = text if len(text) >= least else " ".join([text] * (1 + least // max(1, len(text))))
        if most is not None and len(text) > most:
            at = text.rfind(" ", max(least, 1), most + 1)
            text = text[: at if at > 0 else most]
        return text

    def _formatted(self, name: str, path: tuple[object, ...]) -> str | None:
        moment = BEGINNING + timedelta(seconds=self._number(path, 365 * 86_400))
        slug = "-".join(re.findall(r"[a-z0-9]+", self._text.excerpt("slug", path).lower())[:3]) or "answer"
        match name:
            case "date":
                return moment.date().isoformat()
            case "date-time":
                return moment.isoformat().replace("+00:00", "Z")
            case "time":
                return f"{moment:%H:%M:%S}Z"
            case "duration":
                return f"PT{1 + self._number(path, 90)}M"
            case "email" | "idn-email":
                return f"{slug}@example.com"
            case "uri" | "url" | "iri" | "uri-reference":
                return f"https://example.com/{slug}"
            case "hostname" | "idn-hostname":
                return f"{slug}.example.com"
            case "ipv4":
                return f"192.0.2.{self._number(path, 256)}"
            case "ipv6":
                return f"2001:db8::{self._number(path, 65_536):x}"
            case "uuid":
                return str(UUID(int=self._number(path, 2**53) << 75 | 1 << 63, version=4))
        return None

    def _one_of[T](self, options: Sequence[T], path: tuple[object, ...]) -> T:
        return options[self._number(path, len(options))]

    def _number(self, path: Sequence[object], below: int) -> int:
        return int(draw(self._text.prompt, *path)[1] * below)


class _Draws:
    """Numbers that depend only on `of`, one after another."""

    def __init__(self, *of: object) -> None:
        self._of = of
        self._count = itertools.count()

    def __call__(self, below: int) -> int:
        return int(draw(*self._of, next(self._count))[0] * below)


def _named(path: Sequence[object]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _type_of(schema: Schema) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        return next((one for one in named if one != "null"), "null")
    if isinstance(named, str):
        return named
    for name, marks in (("object", ("properties", "required")), ("array", ("items", "prefixItems", "minItems"))):
        if any(mark in schema for mark in marks):
            return name
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def _merged(schemas: Sequence[Schema]) -> Schema:
    """All of them at once: properties and what is required add up, elsewhere the last one counts."""
    merged: dict[str, Any] = {}
    for schema in schemas:
        properties = {**merged.get("properties", {}), **schema.get("properties", {})}
        required = [*merged.get("required", ()), *schema.get("required", ())]
        merged |= schema
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": required} if required else {}
    return merged


def _texts_of_json(prompt: str) -> Iterator[str]:
    """The texts in the lines for programs."""
    for line in prompt.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield from (value for name, value in found.items() if isinstance(value, str) and name != "ask")
