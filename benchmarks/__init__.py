"""Measurements that docs/BENCHMARKS.md quotes: one module an area, `python -m benchmarks.bench_AREA`."""
