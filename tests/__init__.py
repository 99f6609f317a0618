"""The specification of ftworker, as tests. `servers.py` starts the real servers; `conftest.py` hands them out."""
