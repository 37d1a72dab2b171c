"""One JSON object a line for all that a process has to tell, and no values in it.

lines.py       makes and writes each line
schema.py      holds back what the schema (log_schema.json) does not name
libraries.py   what of a library's own text is let out
tracebacks.py  exceptions without their values
excepthooks.py what nothing caught, and Python's warnings
"""

from bookstore_api.telemetry.logging.excepthooks import install_excepthooks
from bookstore_api.telemetry.logging.lines import configure_logging
from bookstore_api.telemetry.logging.schema import schema_text

__all__ = ["configure_logging", "install_excepthooks", "schema_text"]
