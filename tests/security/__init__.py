"""What somebody may try who can write a conversation, an event, a broker's message, a model's file or a provider's
answer. docs/SECURITY.md lists each attempt with what stops it and the test that proves it.
"""
