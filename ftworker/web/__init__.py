"""What ftworker shows: /metrics for Prometheus, /healthz for whoever restarts it, one page for people.

Reads the database and nothing else, writes to it only that it is alive, and never shows what anybody said or
who they are. Start with `catalogue` (what is measured), then `reader` (how it is read), `app` (who may ask).
"""
