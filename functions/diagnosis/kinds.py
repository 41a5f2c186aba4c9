"""The kind of task that is a diagnosis."""

from diagnosis import store
from diagnosis.model import COMPLETED, FETCHING, Diagnosis
from longhaul.tasks.kinds import Counter, Kind

KINDS = (
    Kind(
        name="brand_diagnosis",
        params=Diagnosis,
        workflow="DiagnoseBrand",
        weights={FETCHING: 1.0},  # planning and reporting take no time beside the answers
        title=lambda params: f"品牌诊断：{params.brand}"[:200],
        slug=lambda _: "brand_diagnosis",
        statistics={
            "cells_done": Counter(FETCHING),
            "cells_failed": Counter(FETCHING, failed=True),  # with the skipped ones
            "cells_answered": Counter(FETCHING, units=True),
        },
        final_stage=COMPLETED,
        purge=store.purge_cells,
        open_key=lambda params: params.continues,  # two retries at once make one diagnosis
    ),
)
