"""Measurements that docs/PERFORMANCE.md quotes: one module an area, `python -m benchmarks.bench_AREA`."""
