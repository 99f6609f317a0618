"""Tests of runs: states, triggers, cutting, steps under leases, and what a person may do."""
