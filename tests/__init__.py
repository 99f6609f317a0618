"""The specification of ftworker, as tests. `servers` starts the real servers; `conftest` hands them out."""
