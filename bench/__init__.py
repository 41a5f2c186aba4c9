"""Measurements: each a module with a `main`, run by `make bench NAME=...`.

The figures go to the folder .bench, which git ignores, or with `KEEP=1` to bench/results.
"""

import json
import os
from pathlib import Path
from typing import Any

from local.options import ROOT


def results_folder() -> Path:
    """Return the folder of this run's figures, which exists."""
    folder = ROOT / ("bench/results" if os.environ.get("KEEP") == "1" else ".bench")
    folder.mkdir(exist_ok=True)
    return folder


def write_results(name: str, figures: Any) -> None:
    """Write figures as JSON and print where."""
    path = results_folder() / name
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path.relative_to(ROOT)}")
