"""The package that the RAG's documentation names: `from fine_tuning.manager import FineTuningManager`."""
