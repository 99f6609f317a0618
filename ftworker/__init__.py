"""ftworker: retrains a RAG's language model from its own conversations. ARCHITECTURE.md is the map."""

__version__ = "0.1.0"
