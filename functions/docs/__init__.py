"""The API's documentation: the OpenAPI document and the page that shows it."""
