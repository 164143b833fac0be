"""Scoring on a real Ray cluster of two nodes on loopback, one of which is lost; `make test-ray` installs Ray."""

import io
import shutil
import tarfile
import threading
import time
from pathlib import Path

import pytest
from pyarrow import parquet

import packlight
from lakes import hashes, write_texts
from packlight.errors import ArtifactError, DataError, MissingExtraError, PacklightError
from packlight.runtime.artifact import Artifact
from packlight.scoring.on_ray import FragmentScorer
from packlight.scoring.packed import Packed, pack, scorer_of, unpacked
from packlight.scoring.settings import Setup, scorer_settings

pytest_plugins = ["lakes"]
ROWS = 20_000


@pytest.fixture(scope="module")
def lake(random_texts, tmp_path_factory):
    """One file of texts, in ten row groups."""
    folder = tmp_path_factory.mktemp("lake")
    write_texts(folder / "texts.parquet", [*random_texts(ROWS - 1), None], row_group_size=ROWS // 10)
    return folder


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def connected(cluster):
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_a_data_set_of_ray_gets_the_labels_of_the_local_engine(connected, static, lake, tmp_path):
    import packlight.ray

    dataset = connected.data.read_parquet(str(lake))
    found = packlight.ray.score(dataset, static, keep=["id"], top_k=2).to_pandas().sort_values("id")
    packlight.score(static, lake, tmp_path / "local", workers=1, keep=["id"], top_k=2)
    local = parquet.read_table(tmp_path / "local").to_pandas().sort_values("id")
    assert list(found.columns) == list(local.columns) == ["id", "label", "score", "out_of_scope", "top", "error"]
    assert found["label"].fillna("").tolist() == local["label"].fillna("").tolist()
    assert found["error"].tolist()[-1] == "no text"


def test_a_job_that_loses_a_node_is_complete_and_equal_to_the_local_one(cluster, static, lake, tmp_path):
    packlight.score(static, lake, tmp_path / "local", workers=1, rows_per_file=500)
    lost = []

    def lose_a_node():
        out = tmp_path / "ray"
        while len(list(out.glob("*/*.parquet")) + list(out.glob("*.parquet"))) < 3:
            time.sleep(0.02)
        node = next(each for each in cluster.worker_nodes)
        cluster.remove_node(node, allow_graceful=False)
        lost.append(node)

    thread = threading.Thread(target=lose_a_node)
    thread.start()
    report = packlight.score(static, lake, tmp_path / "ray", rows_per_file=500, engine="ray", address=cluster.address)
    thread.join(60)
    cluster.add_node(num_cpus=1)
    assert lost, "the job was over before the node was"
    assert report.rows == ROWS
    assert report.workers == 2
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def test_what_an_actor_refuses_is_said_like_a_local_error(cluster, static, lake, tmp_path):
    with pytest.raises(DataError, match="no text"):
        packlight.score(static, lake, tmp_path / "out", strict=True, engine="ray", address=cluster.address)


def test_an_artifact_that_an_actor_cannot_open_is_given_back_as_an_error(static, tmp_path):
    shutil.copytree(static, tmp_path / "artifact")
    (tmp_path / "artifact" / "config.json").write_text("{}")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(tmp_path / "artifact", arcname="artifact")
    settings = scorer_settings(text_column="text", keep=None, top_k=1, prefix="")
    setup = Setup(artifact="", sha256="", scorer=settings, format="parquet", sample=None, out="", strict=False)
    error = FragmentScorer(Packed("altered", stream.getvalue()), setup).start()
    assert isinstance(error, ArtifactError)
    assert "config.json was altered" in str(error)


def test_a_folder_whose_artifact_was_replaced_is_opened_again(static, frontier_run, tmp_path):
    settings = scorer_settings(text_column="text", keep=None, top_k=1, prefix="")
    folder = tmp_path / "artifact"
    shutil.copytree(static, folder)
    first = scorer_of(str(folder), settings)
    assert scorer_of(str(folder), settings) is first
    shutil.rmtree(folder)
    shutil.copytree(frontier_run / "variants" / "static", folder)
    assert scorer_of(str(folder), settings).artifact.name == "static" != first.artifact.name
    shutil.rmtree(folder)
    with pytest.raises(ArtifactError, match="not an artifact"):
        scorer_of(str(folder), settings)


def test_an_artifact_of_links_is_packed_as_files(static, tmp_path):
    """As it is in the Hub's cache."""
    linked = tmp_path / "linked"
    shutil.copytree(static, linked, copy_function=lambda source, target: Path(target).symlink_to(source))
    folder = unpacked(pack(linked))
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert Artifact.open(folder).name == Artifact.open(static).name


@pytest.mark.parametrize("top_k", [0, 1.5, True])
def test_labels_for_each_text_are_a_whole_number_on_clusters_too(top_k):
    with pytest.raises(PacklightError, match=r"top_k=.*: give a whole number of 1 or more"):
        scorer_settings(text_column="text", keep=None, top_k=top_k, prefix="")


def test_an_address_without_a_cluster_is_one_clear_error(static, lake, tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(PacklightError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        packlight.score(static, lake, tmp_path / "out", engine="ray", address="127.0.0.1:1")


def test_without_ray_the_install_line_is_given(static, lake, tmp_path, monkeypatch):
    monkeypatch.setattr("packlight.extras.installed", lambda module: module != "ray")
    with pytest.raises(MissingExtraError, match=r"needs ray: .*\[ray\]"):
        packlight.score(static, lake, tmp_path / "out", engine="ray")


def test_an_address_belongs_to_ray_and_an_unknown_engine_is_refused(static, lake, tmp_path):
    with pytest.raises(PacklightError, match="address is for engine='ray'"):
        packlight.score(static, lake, tmp_path / "out", address="auto")
    with pytest.raises(PacklightError, match="engine='dask': give local or ray"):
        packlight.score(static, lake, tmp_path / "out", engine="dask")
