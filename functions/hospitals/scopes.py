"""The cache's scopes: what is forgotten together when a refresh changes it."""

SEARCH = "hospitals:search"  # every search over the country; never invalidated, its entries live a minute


def scope_of(province_code: str) -> str:
    """All of a province's cached pages."""
    return f"hospitals:{province_code}"
