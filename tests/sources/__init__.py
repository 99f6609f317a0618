"""Sources on a real PostgreSQL, over tables that each test makes as a RAG would have."""
