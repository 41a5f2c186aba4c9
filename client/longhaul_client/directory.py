"""The directory of hospitals, as the API serves it."""

from longhaul_client.api import Api, Query
from longhaul_client.errors import Document


class Directory:
    """Provinces and hospitals."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get_provinces(self) -> Document:
        """{items: [{code, name}], page, page_size, total, pages}"""
        return await self._api.get("/api/v1/provinces")

    async def get_hospitals(self, query: Query) -> Document:
        """A page of those that `q`, `province` and `level` let through."""
        return await self._api.get("/api/v1/hospitals", query)
