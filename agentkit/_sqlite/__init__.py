"""One SQLite file of this process: opened, migrated, written by one thread with group commit, read by another.

Above: whoever keeps something in a file (the journal). Below: the standard library. This package does not know what is
stored, and raises `Unusable` for what the file or the disk refuses; whoever is above turns it into a public error.
"""

from agentkit._sqlite.connection import Schema, Synchronous, Unusable
from agentkit._sqlite.database import Database
from agentkit._sqlite.ticket import Ticket

__all__ = ["Database", "Schema", "Synchronous", "Ticket", "Unusable"]
