"""The kinds of refresh: one province, or the whole country."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hospitals.provinces import find_province
from longhaul.tasks.kinds import Counter, Kind

WORKFLOW = "RefreshHospitals"
OF_PROVINCE, OF_COUNTRY = "hospital_province_refresh", "hospital_full_refresh"
LABELS = {
    "province": "正在获取城市数据",
    "city": "正在获取区县列表",
    "district": "正在获取区县数据",
}  # of steps, by level


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


STATISTICS = {
    "provinces_processed": Counter("province"),
    "provinces_failed": Counter("province", failed=True),
    "cities_processed": Counter("city"),
    "cities_failed": Counter("city", failed=True),
    "districts_processed": Counter("district"),
    "districts_failed": Counter("district", failed=True),
    "hospitals_found": Counter("district", units=True),
}

# A district's weight is its own and its hospitals'. Their number is not known before the last district; if it
# is estimated from the mean of the refreshed districts, the share of hospitals found is that of districts refreshed. So
# a district weighs 0.3 + 0.5 in a province and 0.3 + 0.4 in the country.
KINDS = (
    Kind(
        name=OF_PROVINCE,
        params=ProvinceRefresh,
        workflow=WORKFLOW,
        weights={"city": 0.2, "district": 0.8},
        title=lambda params: f"{params.province}刷新",
        slug=lambda params: f"province_{params.province}",
        statistics=STATISTICS,
    ),
    Kind(
        name=OF_COUNTRY,
        params=FullRefresh,
        workflow=WORKFLOW,
        weights={"province": 0.1, "city": 0.2, "district": 0.7},
        title=lambda _: "全量刷新",
        slug=lambda _: "full_refresh",
        statistics=STATISTICS,
    ),
)
