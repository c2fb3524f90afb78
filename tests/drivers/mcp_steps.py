"""Runs steps with an unmodified MCP client, PyPI `mcp`; `run_steps.py` tells the language. Each step connects anew."""

import importlib.metadata
import json

import anyio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from run_steps import failure, run

URL = "https://acme.snowflakecomputing.com/api/v2/databases/ACME_DB/schemas/PUBLIC/mcp-servers/TOOLS"


def step(does):
    """Makes a step of what is done with a client that has shaken hands with the server."""

    async def connected(step):
        headers = {"Authorization": "Bearer pat-of-the-agent"}
        async with create_mcp_http_client(headers=headers) as http:
            transport = streamable_http_client(step.get("url", URL), http_client=http)
            async with Client(transport, read_timeout_seconds=step.get("timeout", 60)) as client:
                return await does(client, step)

    return lambda step: anyio.run(connected, step)


async def start(client, _):
    return {
        "version": importlib.metadata.version("mcp"),
        "revision": client.protocol_version,
        "server": client.server_info.name,
        "pong": (await client.send_ping()).model_dump(exclude_none=True),
    }


async def tools(client, _):
    listed = await client.list_tools()
    return {"tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]}


async def call(client, step):
    result = await client.call_tool(step["tool"], step["arguments"])
    [part] = result.content
    line = {"is_error": result.is_error, "text": part.text}
    if not result.is_error:
        told = json.loads(part.text)
        line.update(query_id=told["query_id"], data=told["result_set"]["data"])
        line["columns"] = [column["name"] for column in told["result_set"]["resultSetMetaData"]["rowType"]]
    return line


async def other(client, step):
    """Calls a method that has nothing to do with tools."""
    return {"found": str(await getattr(client, step["method"])(*step.get("with", [])))}


def failed(error):
    """Tells what a person would see: tasks of the client wrap what failed in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return {**failure(error), "code": getattr(error, "code", None)}


run({"start": step(start), "tools": step(tools), "call": step(call), "other": step(other)}, failed)
