"""The kind of task that a diagnosis is."""

from diagnosis.model import COMPLETED, FETCHING, Diagnosis
from diagnosis.purging import purge
from longhaul.tasks.kinds import Counter, Kind

KINDS = (
    Kind(
        name="brand_diagnosis",
        params=Diagnosis,
        workflow="DiagnoseBrand",
        weights={FETCHING: 1.0},  # planning and reporting take no time beside the answers
        title=lambda params: f"品牌诊断：{params.brand}"[:200],
        slug=lambda _: "brand_diagnosis",
        statistics={"cells_done": Counter(FETCHING), "cells_answered": Counter(FETCHING, units=True)},
        final_stage=COMPLETED,
        purge=purge,
        open_key=lambda params: params.continues,  # asked again twice at once, it is asked again once
    ),
)
