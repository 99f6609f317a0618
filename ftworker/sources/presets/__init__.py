"""One kind of chat store a module: its statements in the `.sql` of the same name, its mapping in `PRESET`.

Nothing here runs a statement: `ftworker.sources.postgres` does. docs/SOURCES.md says how to add one.
"""
