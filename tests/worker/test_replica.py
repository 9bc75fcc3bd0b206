from __future__ import annotations

import json
import threading

import pytest

from indexer.publish import publish
from recognizer.embedder import Embedder
from recognizer.released import default_model_path
from tests.services import wait_until
from tests.worker.counting import published
from tests.worker.music import add_tunes
from worker.bus import Bus, connect
from worker.replica import CatalogueReplica


@pytest.fixture(scope="module")
def embedder():
    return Embedder(default_model_path())


@pytest.fixture
def catalogue(tmp_path, embedder):
    directory = tmp_path / "catalogue"
    add_tunes(directory, embedder, range(1), seconds=24)
    return directory


@pytest.fixture
def make(server, keys, embedder, tmp_path):
    made = []

    def make(cache="cache", model_id=None):
        client = connect(server.url)
        made.append(client)
        return CatalogueReplica(
            Bus(client, keys, f"w{len(made)}"), embedder.contract, model_id or embedder.model_id, tmp_path / cache
        )

    yield make
    for client in made:
        client.close()


def test_it_starts_empty_and_follows_generations(client, keys, catalogue, embedder, make):
    replica = make()
    assert not replica.poll()
    assert replica.view.tracks == ()
    assert not replica.ready.is_set()
    first = publish(client, catalogue, keys)
    assert replica.poll()
    assert replica.view.generation == first
    assert [track.reference_id for track in replica.view.tracks] == ["r0"]
    old = replica.view
    add_tunes(catalogue, embedder, range(1, 2), seconds=24)
    second = publish(client, catalogue, keys)
    assert replica.poll()
    assert replica.view.generation == second > first
    assert len(replica.view.tracks) == 2
    assert len(old.tracks) == 1, "a view in use does not change"
    assert not replica.poll()


def test_unchanged_files_are_not_fetched_again(client, keys, catalogue, embedder, make, monkeypatch, tmp_path):
    publish(client, catalogue, keys)
    replica = make()
    replica.poll()
    kept = {path.name for path in (tmp_path / "cache").iterdir()}
    add_tunes(catalogue, embedder, range(1, 2), seconds=24)
    publish(client, catalogue, keys)
    for sha256 in kept:
        client.delete(keys.catalogue_file(sha256))
    assert replica.poll(), "the new files were enough"
    assert len(replica.view.tracks) == 2
    assert kept < {path.name for path in (tmp_path / "cache").iterdir()}


def test_a_damaged_cache_is_fetched_again(client, keys, catalogue, make, tmp_path):
    publish(client, catalogue, keys)
    make().poll()
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(b"rotten" + path.read_bytes()[6:])
    assert make().poll()


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing", "manifest", "not json"])
def test_a_damaged_publication_changes_nothing(client, keys, catalogue, embedder, make, damage):
    publish(client, catalogue, keys)
    replica = make()
    replica.poll()
    good = replica.view
    add_tunes(catalogue, embedder, range(1, 2), seconds=24)
    before = set(client.keys(keys.catalogue_file("") + "*"))
    publish(client, catalogue, keys)
    new = next(iter(set(client.keys(keys.catalogue_file("") + "*")) - before))
    content, manifest = client.get(new), client.get(keys.catalogue_manifest)
    if damage == "flip":
        client.set(new, content[:50] + bytes([content[50] ^ 1]) + content[51:])
    elif damage == "truncate":
        client.set(new, content[:-1])
    elif damage == "missing":
        client.delete(new)
    elif damage == "manifest":
        client.set(keys.catalogue_manifest, manifest.replace(b'"tracks"', b'"trasks"'))
    else:
        client.set(keys.catalogue_manifest, b"\xff{")
    assert not replica.poll()
    assert replica.view is good
    assert replica.error
    client.set(new, content)
    client.set(keys.catalogue_manifest, manifest)
    replica._tried = None
    assert replica.poll()
    assert replica.error is None


def test_another_model_is_refused_with_a_sentence(client, keys, catalogue, make, caplog):
    publish(client, catalogue, keys)
    replica = make(model_id="sha256:" + "0" * 64)
    assert not replica.poll()
    assert "model" in (replica.error or "")
    assert "rebuild" in caplog.text
    assert replica.view.tracks == ()


def test_a_generation_is_announced_once_however_many_workers(client, keys, catalogue, embedder, make):
    publish(client, catalogue, keys)
    replicas = [make(f"cache{n}") for n in range(3)]
    assert all(replica.poll() for replica in replicas)
    add_tunes(catalogue, embedder, range(1, 2), seconds=24)
    publish(client, catalogue, keys)
    assert all(replica.poll() for replica in replicas)
    events = published(client, keys)
    assert [event["type"] for event in events] == ["catalogue.version_changed"] * 2
    assert [event["data"]["tracks"] for event in events] == [1, 2]
    assert json.dumps(events)


def test_following_survives_a_redis_that_is_away(server, client, keys, catalogue, make):
    replica, stop = make(), threading.Event()
    thread = threading.Thread(target=replica.follow, args=(stop,))
    thread.start()
    try:
        server.kill()
        server.start()
        publish(client, catalogue, keys)
        wait_until(replica.ready.is_set)
    finally:
        stop.set()
        thread.join(10)
