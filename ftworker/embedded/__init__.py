"""Servers and processes for a machine with nothing installed: what `ftworker up` and the demo run on.

`servers` starts PostgreSQL and Valkey from their wheels; `supervisor` runs ftworker's own processes in one
terminal; `privileges` lets PostgreSQL start under root. Production never comes here: it names its servers.
"""
