"""ftworker: retrains a RAG's language model from its own conversations. Start reading at ARCHITECTURE.md."""

__version__ = "0.1.0"
