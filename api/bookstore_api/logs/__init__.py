"""One JSON object a line for all that a process has to tell, and no values in it.

lines.py       makes and writes each line, and holds back what the schema does not name
fields.py      the schema (../log_schema.json), as checks
libraries.py   what of a library's own text is let out
tracebacks.py  exceptions without their values
strays.py      what nothing caught, and Python's warnings
"""

from bookstore_api.logs.fields import schema_text
from bookstore_api.logs.lines import configure_logging
from bookstore_api.logs.strays import capture_strays

__all__ = ["capture_strays", "configure_logging", "schema_text"]
