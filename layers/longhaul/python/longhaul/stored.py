"""Reading what other versions of the code have stored or sent: during a deployment both are at work.

A field that this version does not know is ignored; one that is missing has its default, or makes the whole unreadable.
So a field may be added with a default, and must not be renamed or change its meaning: `tests/unit/test_versions.py`
reads what earlier versions have written.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel


def read[M: BaseModel](model: type[M], value: Any) -> M:
    """The value as a model, also of one that refuses unknown fields in a request. Raises ValidationError."""
    return model.model_validate(value, extra="ignore")


def only(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values of these names. Raises KeyError where one is missing."""
    return {name: values[name] for name in names}


def fields_of(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the model's fields, unchecked; the default where one is missing. Raises KeyError where none is."""
    return {
        name: values[name] if field.is_required() else values.get(name, field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
    }


def known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the values that have one of these names."""
    return {name: values[name] for name in names if name in values}
