"""Packages that import everything they have, made to import what is asked for.

Some libraries' packages import all of their modules to give their names in one place. Of Powertools' event handlers
that is AppSync with asyncio, Bedrock and more, and of its data classes every event of AWS: a fifth of the import of an
HTTP function, which uses a few of them. `defer` puts in place of such a package one that finds each name in the module
that it comes from. It changes nothing else: the modules are the library's own, and a name that is not found that way is
asked of the package itself.

`defer_module` leaves a whole module out until it is used. PyMySQL imports `cryptography` for passwords that are sent
without TLS; `defer_cryptography` imports it when one is.
"""

import gc
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from threading import RLock
from types import ModuleType
from typing import Any

# Allocations before garbage is looked for, while a function is imported and afterwards. Imports make none, and to look
# at all that they have made costs a tenth of them.
IMPORTING, RUNNING = 500_000, 50_000
DEFERRED = (
    "aiosql",  # which reads its own version from the metadata of all packages
    "aiosql.adapters",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.data_classes",
    "longhaul.http",
)

_IMPORT = re.compile(r"^from ([.\w]+) import (?:\(([^)]*)\)|(.+))$", re.MULTILINE)


def defer(package: str) -> None:
    """From now on, importing a name from the package imports its module alone. One that is imported stays as it is."""
    if package in sys.modules or (spec := importlib.util.find_spec(package)) is None or spec.loader is None:
        return
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    whole = _once(module, loader.exec_module)

    @cache
    def sources() -> dict[str, str]:
        """The module of each name, as the package's own text says."""
        text: str = loader.get_source(package) or ""  # type: ignore[attr-defined] # a file's loader has it
        return {
            name.strip(): source if not source.startswith(".") else package + source
            for source, many, one in _IMPORT.findall(text)
            for name in (many or one).split(",")
            if name.strip()
        }

    def find(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if source := sources().get(name):
            value = getattr(importlib.import_module(source), name)
        elif importlib.util.find_spec(f"{package}.{name}"):
            value = importlib.import_module(f"{package}.{name}")
        else:
            return whole(name)
        setattr(module, name, value)
        return value

    _put(package, module, find)


def defer_module(name: str) -> None:
    """Import the module when something of it is first asked for.

    Python's own LazyLoader loads it at the import already, which asks a module for its `__spec__`.
    """
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    whole = _once(module, spec.loader.exec_module)

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return whole(attribute)

    _put(name, module, find)


def done() -> None:
    """A function's imports are done. What they made stays, so no look for garbage needs to pass it again."""
    gc.freeze()
    gc.set_threshold(RUNNING)


def _once(module: ModuleType, execute: Callable[[ModuleType], None]) -> Callable[[str], Any]:
    """What imports the whole module for its first attribute. An import that fails is tried again, as Python does."""
    lock, begun = RLock(), False

    def get(attribute: str) -> Any:
        nonlocal begun
        with lock:  # what another thread imports is waited for
            if not begun:
                begun = True  # so that what is missing within the import itself is missing
                deferring = module.__dict__["__getattr__"]
                try:
                    execute(module)
                except BaseException:
                    begun = False
                    raise
                if module.__dict__["__getattr__"] is deferring:
                    del module.__dict__["__getattr__"]
        if attribute in module.__dict__:
            return module.__dict__[attribute]
        raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")

    return get


def _put(name: str, module: ModuleType, find: Callable[[str], Any]) -> None:
    """Put the module, which asks `find` for what it does not have, where imports look for it."""
    module.__dict__["__getattr__"] = find
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)


def defer_cryptography() -> None:
    """PyMySQL's authentication imports it when a password is to be encrypted, which is never over TLS or a socket."""
    if "pymysql" in sys.modules or importlib.util.find_spec("cryptography") is None:
        return
    hidden = "cryptography.hazmat.backends"
    known: ModuleType | None = sys.modules.get(hidden)
    sys.modules[hidden] = None  # type: ignore[assignment] # as if it were not installed
    try:
        auth: Any = importlib.import_module("pymysql._auth")
    finally:
        del sys.modules[hidden]
        if known is not None:
            sys.modules[hidden] = known
    encrypt = auth.sha2_rsa_encrypt

    def encrypted(password: bytes, salt: bytes, public_key: bytes) -> bytes:
        from cryptography.hazmat.backends import default_backend
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding

        names = {"default_backend": default_backend, "hashes": hashes, "serialization": serialization}
        vars(auth).update(names, padding=padding, _have_cryptography=True)
        sealed: bytes = encrypt(password, salt, public_key)
        return sealed

    auth.sha2_rsa_encrypt = encrypted


gc.set_threshold(IMPORTING)
for each in DEFERRED:
    defer(each)
defer_module("importlib.metadata")  # Pydantic looks for plugins with it, unless PYDANTIC_DISABLE_PLUGINS is set
defer_module("isal.isal_zlib")  # most cold starts compress nothing
defer_module("jmespath")  # Powertools' logger asks it for an event's correlation id, if told where that is
os.environ.setdefault("PYTHONTZPATH", "/usr/share/zoneinfo")  # else zoneinfo reads all variables of Python's build
defer_cryptography()
