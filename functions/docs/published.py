"""What is served: the OpenAPI document as `docs.document` made it, and the Swagger UI page that shows it.

The page holds the assets that Powertools ships and asks nothing of any other host.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

DOCUMENT = Path(__file__).with_name("openapi.json")
ASSETS = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

# `validatorUrl: null` because Swagger UI otherwise sends the document's address to a validator on the internet. The
# document is asked for by a relative address, so that a stage's prefix does no harm.
_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; \
base-uri 'none'; form-action 'none'">
<title>Longhaul API</title>
<style>$css</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>$js</script>
<script>
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  deepLinking: true,
  filter: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
</script>
</body>
</html>
""")


@cache
def openapi() -> str:
    """The OpenAPI document, JSON."""
    return DOCUMENT.read_text(encoding="utf-8")


@cache
def page() -> str:
    """The page, about 1.7 MB before compression; made once an execution environment."""
    assets = files(ASSETS)
    return _PAGE.substitute(
        css=assets.joinpath("swagger-ui.min.css").read_text(encoding="utf-8"),
        js=assets.joinpath("swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
    )
