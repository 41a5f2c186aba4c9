"""What `sam build` built: it is for the machine that the functions have, and it imports on this one.

The functions of Graviton do not run on an x86-64 machine. There each compiled file is held against its machine, and a
build to import is made of what is left: all of it but the compiled files, in whose places stand those of the same
releases in this environment.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePath

from tests.architecture.repository import Repository

MACHINES = {"x86_64": 62, "arm64": 183}  # e_machine in the header of an ELF file
COMPILED = ("*.so", "*.so.*")


class BuildError(Exception):
    """A compiled package of the layers is of another release than this environment's. The message names it."""


def machines(repository: Repository, built: Path) -> list[str]:
    """Compiled files that are not for the machine that the template gives the functions."""
    name = _architecture(repository)
    return [
        f"{path.relative_to(built)} is for machine {machine}: {name} is {MACHINES[name]}"
        for path in sorted(built.rglob("*"))
        if path.is_file() and (machine := _machine(path)) not in (None, MACHINES[name])
    ]


def importable(repository: Repository, built: Path, folder: Path) -> Path:
    """Return a build that this machine imports: `built`, or one in `folder` if that is for another machine.

    Raises BuildError, and PackageNotFoundError when this environment lacks a compiled package.
    """
    if _machine(Path(sys.executable)) == MACHINES[_architecture(repository)]:
        return built
    for part in built.absolute().iterdir():
        packages = part / "python"
        if not packages.is_dir():
            (folder / part.name).symlink_to(part)
            continue
        copy = folder / part.name / "python"
        shutil.copytree(packages, copy, copy_function=os.symlink, ignore=shutil.ignore_patterns(*COMPILED))
        for name, source in _compiled_here(packages):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).symlink_to(source)
    return folder


def _architecture(repository: Repository) -> str:
    (name,) = repository.template["Globals"]["Function"]["Architectures"]
    return str(name)


def _machine(path: Path) -> int | None:
    """Return the machine that an ELF file is for; None for any other file."""
    with path.open("rb") as file:
        header = file.read(20)
    return int.from_bytes(header[18:], "little") if header.startswith(b"\x7fELF") else None


def _compiled_here(packages: Path) -> Iterator[tuple[PurePath, Path]]:
    """Yield what stands for each compiled module of a layer: its path there, and the file of this environment.

    Libraries that stand beside a package come with its modules. Their names differ from machine to machine.
    """
    for theirs in metadata.distributions(path=[str(packages)]):
        if not (modules := set(map(_module, _compiled(theirs)))):
            continue
        ours = metadata.distribution(theirs.name)
        if ours.version != theirs.version:
            raise BuildError(f"{theirs.name} is {theirs.version} in the layer, {ours.version} in this environment")
        for file in _compiled(ours):
            if _module(file) in modules or file.parts[0].endswith(".libs"):
                yield file, Path(str(ours.locate_file(file)))


def _compiled(distribution: metadata.Distribution) -> list[metadata.PackagePath]:
    """The compiled files of a distribution; its `files` leave out what is not there, so what trimming removed."""
    return [file for file in distribution.files or () if any(file.match(pattern) for pattern in COMPILED)]


def _module(file: PurePath) -> PurePath:
    """Return the path without the suffix, which names the machine: `md.cpython-313-aarch64-linux-gnu.so` is md."""
    return file.with_name(file.name.split(".")[0])
