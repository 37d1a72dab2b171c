"""The server leans on names of uvicorn that uvicorn does not document: this uvicorn has them all.

docs/design/0005-limits-in-the-http-server.md has the table: each name, and what we use it for. Our
own code is read as text, since it can't be imported when one of them is gone.
"""

import ast
import asyncio
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
NOTE = Path("docs/design/0005-limits-in-the-http-server.md")
TEXTS = [path.read_text() for path in (ROOT / "api/bookstore_api").rglob("*.py")]
SERVER = [text for text in TEXTS if re.search(r"^(import|from) uvicorn\b", text, re.MULTILINE)]
NAMES = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|$", (ROOT / NOTE).read_text(), re.MULTILINE))
TODO = f"Compare uvicorn's code with the version before, change the server, then {NOTE}."
# Of the attributes of a connection, those that are classes of uvicorn.
CLASS_OF = {"cycle": "RequestResponseCycle", "flow": "FlowControl", "server_state": "ServerState"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop it."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        return False


async def answer_a_request() -> Mapping[str, object]:
    """Let an unchanged uvicorn answer a request; return what it used, by class."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    running = uvicorn.Server(config)
    connection = HttpToolsProtocol(config, running.server_state, {})
    connection.connection_made(Wire())
    connection.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.gather(*running.server_state.tasks)
    names = {name: getattr(connection, part) for part, name in CLASS_OF.items()}
    connection.connection_lost(None)
    return {**names, "HttpToolsProtocol": connection, "Server": running, "": httptools_impl}


@pytest.fixture(scope="module")
def unchanged() -> Mapping[str, object]:
    try:
        return asyncio.run(answer_a_request())
    except (AttributeError, TypeError) as error:
        pytest.fail(f"uvicorn {uvicorn.__version__} is built in another way: {error}. {TODO}")


@pytest.mark.parametrize("name", NAMES)
def test_uvicorn_has_each_name_that_the_server_leans_on(
    name: str, unchanged: Mapping[str, object]
) -> None:
    owner, _, attribute = name.rpartition(".")
    assert hasattr(unchanged[owner], attribute), (
        f"uvicorn {uvicorn.__version__} has no {name} any more, which the server uses "
        f"({NAMES[name]}). {TODO}"
    )


def test_uvicorn_keeps_waiting_requests_in_a_deque(unchanged: Mapping[str, object]) -> None:
    pipeline = cast("HttpToolsProtocol", unchanged["HttpToolsProtocol"]).pipeline
    assert isinstance(pipeline, deque), (
        f"In uvicorn {uvicorn.__version__} HttpToolsProtocol.pipeline is no deque any more, from "
        f"which the server takes the newest request. {TODO}"
    )


def test_the_design_note_lists_the_names_that_the_server_uses_and_no_others() -> None:
    missing = used_names() - NAMES.keys()
    assert not missing, f"Add to the table of {NOTE}: {sorted(missing)}."
    code = "".join(SERVER)
    unused = [name for name in NAMES if not re.search(rf"\b{name.rpartition('.')[2]}\b", code)]
    assert not unused, f"The server uses these no more, take them out of {NOTE}: {unused}."


def used_names() -> set[str]:
    """What the code of our protocol takes from uvicorn's, read from its source text."""
    (ours,) = [
        node
        for text in SERVER
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and "HttpToolsProtocol" in map(ast.unparse, node.bases)
    ]
    methods = {node.name for node in ours.body if isinstance(node, ast.FunctionDef)}
    attributes = [node for node in ast.walk(ours) if isinstance(node, ast.Attribute)]
    assigned = {attribute.attr for attribute in attributes if isinstance(attribute.ctx, ast.Store)}
    own = {name for name in assigned if name.startswith("_")}
    own |= methods - vars(HttpToolsProtocol).keys()
    used = {f"HttpToolsProtocol.{name}" for name in methods - own - {"__init__"}}
    for attribute in attributes:
        match attribute.value:
            case ast.Name(id="self") | ast.Call(func=ast.Name(id="super")):
                if attribute.attr not in own | {"__init__"}:
                    used.add(f"HttpToolsProtocol.{attribute.attr}")
            case ast.Attribute(value=ast.Name(id="self"), attr=part) if part in CLASS_OF:
                used.add(f"{CLASS_OF[part]}.{attribute.attr}")
    return used
