"""Log lines: one JSON object each, without a client's or a library's values.

lines.py       makes and writes each line
access.py      the line of each request, made of parts that are prepared
sink.py        where they go, also while nobody reads
schema.py      holds back what the schema (log_schema.json) does not name
libraries.py   what is kept of a library's message
tracebacks.py  exceptions without their values
excepthooks.py uncaught exceptions and Python's warnings
"""

from bookstore_api.telemetry.logging.access import log_request
from bookstore_api.telemetry.logging.excepthooks import install_excepthooks
from bookstore_api.telemetry.logging.lines import configure_logging
from bookstore_api.telemetry.logging.schema import schema_text

__all__ = ["configure_logging", "install_excepthooks", "log_request", "schema_text"]
