"""Score one table with the local engine, on a Ray cluster of two nodes and on Spark with two executors, and compare every row.

    .venv-ray/bin/python benchmarks/score_on_clusters.py ARTIFACT ray --data clinc/clinc_oos:plus --rows 1000000
    .venv-spark/bin/python benchmarks/score_on_clusters.py ARTIFACT spark --data clinc/clinc_oos:plus --rows 1000000

`make test-ray` and `make test-spark` make these environments. The rows are the data's test queries, edited so that no two are equal. Nodes and
executors are processes on this machine, with a core each, so the times show what an engine costs, not what a cluster brings.
Last comes one JSON document: seconds and rows of each engine, its start not counted, and how many rows differ from the local engine's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset, parquet
from score import edited

import packlight
from packlight.data import load_dataset

COMPARED = ("id", "label", "score", "out_of_scope", "error")
GROUP = 65_536
"""rows of a row group, which is the most that an engine gives to one process at a time"""
WORKERS = 2


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        place = Path(scratch)
        texts = edited(load_dataset(options.data).test.texts, options.rows)
        parquet.write_table(
            pa.table({"id": range(len(texts)), "text": texts}), place / "texts.parquet", row_group_size=GROUP
        )
        seconds = {"local": timed(lambda: on_this_machine(options.artifact, place))}
        seconds[options.engine] = ENGINES[options.engine](options.artifact, place)
        local, other = (rows(place / name) for name in ("local", options.engine))
        outcome = {
            "artifact": str(options.artifact),
            "rows": len(texts),
            "rows_out": other.num_rows,
            "seconds": seconds,
            "differing": {name: differing(local[name], other[name]) for name in COMPARED},
            "load_average": os.getloadavg(),
        }
    print(json.dumps(outcome, indent=2))
    if options.out:
        options.out.write_text(json.dumps(outcome, indent=2) + "\n")
    sys.exit(any(outcome["differing"].values()))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def on_this_machine(artifact: Path, place: Path) -> None:
    packlight.score(artifact, str(place / "texts.parquet"), place / "local", keep=["id"], workers=WORKERS)


def on_ray(artifact: Path, place: Path) -> float:
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(WORKERS - 1):
        cluster.add_node(num_cpus=1)
    try:
        return timed(
            lambda: packlight.score(
                artifact,
                str(place / "texts.parquet"),
                place / "ray",
                keep=["id"],
                engine="ray",
                address=cluster.address,
            )
        )
    finally:
        ray.shutdown()
        cluster.shutdown()


def on_spark(artifact: Path, place: Path) -> float:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    import packlight.spark

    session = SparkSession.builder.master(f"local-cluster[{WORKERS},1,2048]").config("spark.ui.enabled", "false")
    spark = session.config("spark.executorEnv.PYTHONPATH", os.pathsep.join(sys.path)).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        table = spark.read.parquet(str(place / "texts.parquet")).repartition(4 * WORKERS)
        scored = packlight.spark.score(table, artifact, keep=["id"])
        return timed(lambda: scored.write.parquet(str(place / "spark")))
    finally:
        spark.stop()


ENGINES = {"ray": on_ray, "spark": on_spark}


def rows(folder: Path) -> pa.Table:
    """All rows in the order of their ids."""
    return dataset.dataset(folder, format="parquet").to_table(columns=[*COMPARED]).sort_by("id")


def differing(one: pa.ChunkedArray, other: pa.ChunkedArray) -> int:
    """How many places have other values; a null equals a null only."""
    if len(one) != len(other):
        return max(len(one), len(other))
    equal = pc.fill_null(pc.equal(one, other), pc.and_(pc.is_null(one), pc.is_null(other)))
    return len(one) - (pc.sum(equal).as_py() or 0)


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scratch", type=Path, help="folder for the tables; by default the system's")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
