"""Doubles of the services that ftworker talks to: small real servers with state, on this machine alone."""
