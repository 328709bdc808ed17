"""Ready-made tools for agents: a calculator, files, web pages, SQL and text search, each safe to hand to a model.

`calculator` is a tool; the others are functions that the developer configures and that return a Toolset:
`Agent(model, tools=[calculator, files("reports"), sql("shop.db"), search("handbook"), http()])`.
"""

from agentkit_tools.expression import calculator
from agentkit_tools.fetch import WebPage, http
from agentkit_tools.passages import Passage
from agentkit_tools.sqlite import Column, Rows, Table, sql
from agentkit_tools.textsearch import search
from agentkit_tools.workspace import FileListing, files

__all__ = [
    "Column",
    "FileListing",
    "Passage",
    "Rows",
    "Table",
    "WebPage",
    "calculator",
    "files",
    "http",
    "search",
    "sql",
]
