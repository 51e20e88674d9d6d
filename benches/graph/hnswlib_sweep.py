"""The table of zvec_graph for hnswlib, over what `zvec_graph --export DIR` wrote.

Usage: hnswlib_sweep.py DIR DIMS METRIC [M] [EF_CONSTRUCTION] [EF,EF,...]; METRIC is l2, ip or cosine.
"""

import sys
import time

import hnswlib
import numpy

folder, dims, metric = sys.argv[1], int(sys.argv[2]), sys.argv[3]
m = int(sys.argv[4]) if len(sys.argv) > 4 else 16
ef_construction = int(sys.argv[5]) if len(sys.argv) > 5 else 64
efs = [int(ef) for ef in sys.argv[6].split(",")] if len(sys.argv) > 6 else [10, 16, 24, 32, 48, 64, 96, 128, 200, 400]
K = 10

base = numpy.fromfile(f"{folder}/base.f32", dtype=numpy.float32).reshape(-1, dims)
queries = numpy.fromfile(f"{folder}/queries.f32", dtype=numpy.float32).reshape(-1, dims)
neighbors = numpy.fromfile(f"{folder}/neighbors.i32", dtype=numpy.int32).reshape(-1, K)
print(f"hnswlib {getattr(hnswlib, '__version__', '')}: {len(base)} x {dims}, {metric}, m = {m}, ef_construction = {ef_construction}")
for threads in (1, 2):
    index = hnswlib.Index(space=metric, dim=dims)
    index.init_index(max_elements=len(base), M=m, ef_construction=ef_construction)
    start, cpu = time.perf_counter(), time.process_time()
    index.add_items(base, num_threads=threads)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"build with {threads} threads: {elapsed:.2f} s, {cpu:.2f} s of CPU time")
index.set_num_threads(1)
print("| ef | recall@10 | queries a CPU second |\n|---|---|---|")
for ef in efs:
    index.set_ef(max(ef, K))
    best, found = float("inf"), 0
    for _ in range(3):
        start = time.process_time()
        labels = [index.knn_query(query, k=K, num_threads=1)[0][0] for query in queries]
        best = min(best, time.process_time() - start)
    found = sum(len(set(row) & set(true)) for row, true in zip(labels, neighbors))
    print(f"| {ef} | {found / len(queries) / K:.4f} | {len(queries) / best:.0f} |")
