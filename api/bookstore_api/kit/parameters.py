"""Parameters of paths and queries, each in one form only.

Pydantic and Python read many more: `1_0`, `+10`, ` 10`, `10.0` and the digits of other scripts are
numbers to them, and a UUID may have braces. Then one thing has many addresses.
"""

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _number(value: Any) -> Any:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("int_parsing", "Not a number in plain decimal digits")
    return value


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and not _UUID.fullmatch(value):
        raise PydanticCustomError("uuid_parsing", "Not a UUID: 32 hexadecimal digits in 5 groups")
    return value


Number = Annotated[int, BeforeValidator(_number)]
Id = Annotated[UUID, BeforeValidator(_uuid)]
