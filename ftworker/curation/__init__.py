"""A conversation in, training examples and reasons out. Pure: no I/O, no clock, no state between calls.

`curate` leads: `turns` reads the conversation, `rules` judges it (by `refusals`, `language`, `repetition`, `support`,
`screening`), `preferences` finds pairs, `redaction` and `privacy` deal with personal data, `prompts` and `writing`
make examples, `identity` names their words, `tokens` counts, `trace` remembers for people. `reasons` names every way
out; `near_duplicates` compares examples of a dataset. Nothing here knows a file format: that is `ftworker.datasets`.
"""
