"""Tests of ftworker's own database: connections, migrations, constraints, queries, and the store of runs."""
