"""Datasets: which examples stand in their files, on which side, and the files themselves, at any fsspec URL.

Never touches the database: rows are handed in. `selection` and `split` decide, `export` writes (`formats` says what a
row looks like; `manifest`, `card` and `report` describe the whole) and has `last_look` search it for personal data.
`audit` proves a finished dataset, `difference` compares two, `validate` judges any training file, `estimate` says what
training on it would cost.
"""
