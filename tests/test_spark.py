"""Scoring on Spark in local-cluster mode, with two executors; `make test-spark` installs PySpark, and needs Java."""

import sys

import pytest

from packlight.errors import DataError

pytest_plugins = ["lakes"]
ROWS = 20_000


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql")
    patch = pytest.MonkeyPatch()
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local-cluster[2,1,1024]").config("spark.ui.enabled", "false")
    session = (
        builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
    patch.undo()


@pytest.fixture(scope="module")
def frame(spark, random_texts):
    rows = list(enumerate([*random_texts(ROWS - 1), None]))
    return spark.createDataFrame(rows, "id long, text string").repartition(4)


@pytest.mark.parametrize("shared", [False, True])
def test_a_data_frame_gets_the_predictors_labels(frame, static, shared):
    import packlight.spark

    scored = packlight.spark.score(frame, static, top_k=2, shared=shared)
    assert scored.columns == ["id", "text", "label", "score", "out_of_scope", "top", "error"]
    rows = scored.orderBy("id").collect()
    assert [row.id for row in rows] == list(range(ROWS))
    said = packlight.Predictor.open(static).predict([row.text for row in rows[:-1]])
    assert [row.label for row in rows[:-1]] == [each.label for each in said]
    assert [row.score for row in rows[:-1]] == pytest.approx([each.score for each in said], abs=1e-5)
    assert [row.top[0].label for row in rows[:-1]] == [each.label for each in said]
    assert (rows[-1].label, rows[-1].top, rows[-1].error) == (None, None, "no text")


def test_columns_that_do_not_fit_are_refused_before_any_work(frame, static):
    import packlight.spark

    with pytest.raises(DataError, match="'query'"):
        packlight.spark.score(frame, static, text_column="query")
    with pytest.raises(DataError, match="--prefix"):
        packlight.spark.score(frame.withColumnRenamed("id", "label"), static)
    renamed = packlight.spark.score(frame.withColumnRenamed("id", "label"), static, prefix="predicted_", keep=["label"])
    assert renamed.columns[:2] == ["label", "predicted_label"]
