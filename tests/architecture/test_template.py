"""template.yaml is what the declarations and the code make of it."""

import difflib

from deployment.bundle import Bundle
from deployment.template import TEMPLATE, render
from tests.architecture.repository import Repository


def test_the_template_is_made_of_the_declarations_and_the_code(repository: Repository) -> None:
    stands = TEMPLATE.read_text(encoding="utf-8")
    made = render(Bundle.read(repository.root / "functions"))
    difference = difflib.unified_diff(stands.splitlines(), made.splitlines(), "template.yaml", "as made", lineterm="")
    assert stands == made, "run `make template` (and change declarations, not the template):\n" + "\n".join(difference)
