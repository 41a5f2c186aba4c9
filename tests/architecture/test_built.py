import os
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

from local import trimming
from tests.architecture.built import MACHINES, BuildError, importable, machines
from tests.architecture.repository import ROOT, Repository

Example = Callable[[dict[str, str]], Repository]

HERE = int.from_bytes(Path(sys.executable).read_bytes()[18:20], "little")
OWN, OTHER = sorted(MACHINES, key=lambda name: MACHINES[name] != HERE)
CFFI = metadata.version("cffi")
in_make_build = pytest.mark.skipif("BUILT" not in os.environ, reason="make build asks this of what it built")


def built_for(architecture: str, compiled: str, example: Example, version: str = CFFI) -> Repository:
    """A function, a layer without compiled code, and one with cffi's, in `built`; the template has `architecture`."""
    package = "built/VendorLayer/python"
    compiled_file = f"_cffi_backend.cpython-313-{compiled}.so"
    repository = example(
        {
            "template.yaml": f"Globals: {{Function: {{Architectures: [{architecture}]}}}}\n",
            "built/template.yaml": "",
            "built/QueryPage/calls/query_page.py": "",
            "built/LonghaulLayer/python/longhaul/ids.py": "",
            f"{package}/cffi/api.py": "LAYER = True\n",
            f"{package}/cffi-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: cffi\nVersion: {version}\n",
            f"{package}/cffi-{version}.dist-info/RECORD": f"cffi/api.py,,\n{compiled_file},,\ncffi/spare.so,,\n",
        }
    )
    header = b"\x7fELF".ljust(18, b"\0") + MACHINES[compiled].to_bytes(2, "little")
    (repository.root / package / compiled_file).write_bytes(header)
    return repository


def test_a_compiled_file_for_another_machine_is_found(example: Example) -> None:
    repository = built_for(OWN, OTHER, example)
    file = f"VendorLayer/python/_cffi_backend.cpython-313-{OTHER}.so"
    assert machines(repository, repository.root / "built") == [
        f"{file} is for machine {MACHINES[OTHER]}: {OWN} is {MACHINES[OWN]}"
    ]


def test_compiled_files_for_the_functions_machine_and_other_files_pass(example: Example) -> None:
    repository = built_for(OTHER, OTHER, example)
    assert machines(repository, repository.root / "built") == []


def test_what_was_built_for_this_machine_is_imported_as_it_stands(example: Example, tmp_path: Path) -> None:
    repository = built_for(OWN, OWN, example)
    assert importable(repository, repository.root / "built", tmp_path / "copy") == repository.root / "built"


def test_compiled_files_for_another_machine_are_exchanged_and_nothing_else_is(example: Example, tmp_path: Path) -> None:
    repository, copy = built_for(OTHER, OTHER, example), tmp_path / "copy"
    copy.mkdir()
    assert importable(repository, repository.root / "built", copy) == copy
    layer = copy / "VendorLayer/python"
    here = [Path(str(file.locate())) for file in metadata.files("cffi") or () if file.match("_cffi_backend.*")]
    assert [file.readlink() for file in layer.glob("_cffi_backend.*")] == here
    assert (layer / "cffi/api.py").read_text() == "LAYER = True\n"
    assert not (layer / "cffi/spare.so").exists()
    assert (copy / "QueryPage/calls/query_page.py").exists()
    assert (copy / "LonghaulLayer/python/longhaul/ids.py").exists()


def test_a_module_that_the_layer_lacks_is_not_made_up(example: Example, tmp_path: Path) -> None:
    repository, copy = built_for(OTHER, OTHER, example), tmp_path / "copy"
    copy.mkdir()
    backend = repository.root / f"built/VendorLayer/python/_cffi_backend.cpython-313-{OTHER}.so"
    backend.rename(backend.with_name("cffi") / "spare.so")
    importable(repository, repository.root / "built", copy)
    assert not list((copy / "VendorLayer/python").glob("_cffi_backend.*"))


def test_another_release_does_not_stand_in(example: Example, tmp_path: Path) -> None:
    repository, copy = built_for(OTHER, OTHER, example, version="1.0"), tmp_path / "copy"
    copy.mkdir()
    with pytest.raises(BuildError, match=f"^cffi is 1.0 in the layer, {CFFI} in this environment$"):
        importable(repository, repository.root / "built", copy)


def test_pip_checks_the_hashes_of_each_layer_for_any_machine() -> None:
    settings = ConfigParser()
    settings.read(ROOT / "requirements/pip.conf", encoding="utf-8")
    pinned = {
        str((file.parent / file.read_text(encoding="utf-8").removeprefix("-r ").strip()).resolve().relative_to(ROOT))
        for file in ROOT.glob("layers/*/requirements.txt")
    }
    assert set(settings["download"]["constraint"].split()) == pinned


@in_make_build
def test_all_that_is_compiled_is_for_the_functions_machine(repository: Repository) -> None:
    assert machines(repository, Path(os.environ["BUILT"])) == []


@in_make_build
def test_the_trimmed_layer_has_a_client_of_each_service_and_reads_numbers(imported: Path) -> None:
    code = (
        "import boto3, phonenumbers, sys; [boto3.client(name, region_name='ap-east-1') for name in sys.argv[1:]];"
        "assert phonenumbers.is_valid_number(phonenumbers.parse('13800138000', 'CN'))"
    )
    layer = (imported / "VendorLayer/python").absolute()
    command = [sys.executable, "-S", "-c", code, *trimming.services()]
    done = subprocess.run(command, env={"PYTHONPATH": str(layer)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
