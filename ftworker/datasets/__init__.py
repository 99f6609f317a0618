"""Datasets as files: formats, split, manifest, export to any fsspec URL, and the validator of such files.

Never touches the database: rows are handed in. Start with `export`; `formats` says what a row looks like,
`validate` judges any training file, `estimate` says what training on it would cost.
"""
