"""The API's documentation: the OpenAPI document and the page that shows it."""

from longhaul import imports as imports  # before all else: a cold start imports less
