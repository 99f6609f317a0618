"""A conversation in, training examples and reasons out. Pure: no I/O, no clock, no state between calls.

`curate` decides; `personal_data`, `screening` and `refusals` judge single texts; `tokens` estimates;
`reasons` names every way out. Nothing here knows a file format: that is `ftworker.datasets`.
"""
