"""The demonstration: two schools' tutors, their chat store, and the whole main job on embedded servers.

`conversations` reads the packaged chats and pupils' names, `store` writes them where a RAG has them, `run` does the
rest.
Everything in the data is invented: people, schools, identity numbers, addresses. Never part of production.
"""
