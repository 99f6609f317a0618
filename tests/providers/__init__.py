"""The providers, each against a double of its service."""
