"""The only place with SQL about ftworker's own state: connections, queries, migrations, a module a table.

Functions take a cursor of the caller's transaction, so that a step is one transaction whatever it touches.
Never reads the RAG's tables: that is `ftworker.sources`. Start with `connection`.
"""

from ftworker.store.connection import Cursor, Store, connect
from ftworker.store.migrate import migrate, pending_migrations

__all__ = ["Cursor", "Store", "connect", "migrate", "pending_migrations"]
