"""The kinds of refresh: one province, or the whole country."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hospitals.provinces import find_province
from longhaul.tasks.kinds import Counter, Kind

WORKFLOW = "RefreshHospitals"


class ProvinceRefresh(BaseModel):
    """`{"province": "广东省"}`, or 广东, or 440000; kept as the full name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    province: Annotated[
        str,
        Field(min_length=1, max_length=20, description="A province's name or six-digit code.", examples=["广东省"]),
        AfterValidator(lambda text: find_province(text).name),
    ]


class FullRefresh(BaseModel):
    """`{}`"""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Progress counts a hospital's share with its district's. Nobody knows how many hospitals there are until the last
# district has answered; their number is estimated from the mean per refreshed district, and by that estimate the ratio
# of hospitals found is the ratio of districts refreshed. So 0.3 + 0.5 of a province and 0.3 + 0.4 of the country.
KINDS = (
    Kind(
        name="hospital_province_refresh",
        params=ProvinceRefresh,
        workflow=WORKFLOW,
        weights={"city": 0.2, "district": 0.8},
        title=lambda params: f"{params.province}刷新",
        slug=lambda params: f"province_{params.province}",
        statistics={
            "provinces_processed": Counter("province"),
            "cities_processed": Counter("city"),
            "districts_processed": Counter("district"),
            "hospitals_found": Counter("district", units=True),
        },
    ),
    Kind(
        name="hospital_full_refresh",
        params=FullRefresh,
        workflow=WORKFLOW,
        weights={"province": 0.1, "city": 0.2, "district": 0.7},
        title=lambda _: "全量刷新",
        slug=lambda _: "full_refresh",
        statistics={
            "provinces_processed": Counter("province"),
            "cities_processed": Counter("city"),
            "districts_processed": Counter("district"),
            "hospitals_found": Counter("district", units=True),
        },
    ),
)
