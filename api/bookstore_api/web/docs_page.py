"""The page at /docs: Swagger UI from a CDN, held to one version by its hashes."""

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import HTMLResponse

# The npm package swagger-ui-dist. Another version has other hashes: of each file,
# `openssl dgst -sha384 -binary FILE | base64`.
FOLDER = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0/"
SCRIPT_HASH = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
STYLE_HASH = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"

# The description's address is relative: behind a proxy, /docs may be below a prefix.
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset]
})"""

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>BookStore API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{FOLDER}swagger-ui.css"
  integrity="{STYLE_HASH}" crossorigin="anonymous">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{FOLDER}swagger-ui-bundle.js"
  integrity="{SCRIPT_HASH}" crossorigin="anonymous"></script>
<script>{START}</script>
</body>
</html>
"""


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


# Swagger UI writes style attributes, so inline styles are allowed; of scripts, these two alone.
DOCS_CONTENT_POLICY = (
    f"default-src 'none'; script-src '{_hash(START)}' {FOLDER}swagger-ui-bundle.js; "
    f"style-src 'unsafe-inline' {FOLDER}swagger-ui.css; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def docs_page(_request: Request) -> HTMLResponse:
    """Answer with the page, and the one policy under which it works."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": DOCS_CONTENT_POLICY})
