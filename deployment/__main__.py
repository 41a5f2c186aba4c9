"""Write template.yaml anew (`make template`)."""

import sys

from deployment.bundle import Bundle
from deployment.declaration import DeclarationError
from deployment.template import ROOT, TEMPLATE, render

try:
    text = render(Bundle.read(ROOT / "functions"))
except DeclarationError as error:
    sys.exit(f"make template: {error}")
TEMPLATE.write_text(text, encoding="utf-8")
