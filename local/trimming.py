"""Removes from the built vendor layer the files that no function reads.

    python -m local.trimming .aws-sam/build/VendorLayer/python

A layer has at most 250 MB, and every cold start fetches it. boto3 stays, in the version that the tests ran on: the
runtime's own may change at any time. Its bulk is the descriptions of all services of AWS; those that `longhaul.aws` has
a client for stay.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_overloads

import click

from longhaul import aws

TESTS = frozenset({"test", "tests"})
DOCUMENTATION = frozenset({"docs", "examples"})  # unless it is a package: botocore imports its docs
SUFFIXES = frozenset({".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"})  # sources of compiled parts, and types


def services() -> frozenset[str]:
    """Return the names of the services that functions call."""
    return frozenset(get_args(one.__annotations__["service"])[0] for one in get_overloads(aws.client))


def dispensable(layer: Path) -> Iterator[Path]:
    """Yield the files and folders to remove, none inside another."""
    kept = services()
    for service in sorted((layer / "botocore" / "data").iterdir()):
        if service.is_dir() and service.name not in kept:
            yield service
    for folder, folders, files in layer.walk():
        read = DOCUMENTATION.intersection(name for name in folders if not (folder / name / "__init__.py").exists())
        for name in sorted(TESTS.intersection(folders) | read):
            folders.remove(name)
            yield folder / name
        yield from (folder / name for name in files if Path(name).suffix in SUFFIXES)


@click.command()
@click.argument("layer", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(layer: Path) -> None:
    """Trim the layer in a folder."""
    before = _megabytes(layer)
    for path in list(dispensable(layer)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    click.echo(f"{before:.0f} MB before, {_megabytes(layer):.0f} MB after")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1_000_000


if __name__ == "__main__":
    main()
