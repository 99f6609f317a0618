"""Fuzzing: whatever comes, a reader answers with a value or with an error of its own, and a rule holds.

`make test` runs a few hundred cases of what is not tried elsewhere; `make fuzz` runs 100,000 over all targets, those of
the other test modules too (`everything`), and prints the seed that repeats them. `cases` decides how many each gets.
"""
