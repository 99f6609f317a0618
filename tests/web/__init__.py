"""Tests of the web process: metrics, health, the page, alert rules and dashboard."""
