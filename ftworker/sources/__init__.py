"""Where conversations live: the RAG's own stores, read and never written.

`contract` says what a source can do; `registry.make_source` gives the one that the configuration names; each
chat store that is known has a preset (an `.sql` file with a few lines of mapping) in `presets`.
docs/SOURCES.md is the guide. Nothing here touches ftworker's own tables: that is `ftworker.store`.
"""
