"""Publishing into a real Redis, and what a replica sees at every moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from indexer import publish as publish_module
from indexer.publish import publish
from recognizer.catalogue import Catalogue, CatalogueView, manifest_files
from recognizer.errors import CatalogueCorrupt, CatalogueError
from recognizer.wire import Keys
from tests.indexer.helpers import Indexer
from tests.recognizer.catalogue.builders import fill, writer
from tests.recognizer.catalogue.test_catalogue import assert_holds
from tests.services import RedisServer, redis_server, wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as connected:
        connected.flushall()
        yield connected


def replica(client: redis.Redis, keys: Keys) -> CatalogueView:
    manifest = client.get(keys.catalogue_manifest)
    assert isinstance(manifest, bytes)

    def read(sha256: str) -> bytes:
        data = client.get(keys.catalogue_file(sha256))
        assert isinstance(data, bytes), "a file of the published manifest is missing"
        return data

    return CatalogueView.from_files(manifest, read)


def stored(client: redis.Redis, keys: Keys) -> set[str]:
    start = keys.catalogue_file("")
    return {key.decode().removeprefix(start) for key in client.keys(f"{start}*")}


def test_a_replica_equals_the_directory(client: redis.Redis, tmp_path: Path) -> None:
    keys = Keys("t:")
    fill(tmp_path / "c", range(20), per_commit=6)
    assert publish(client, tmp_path / "c", keys) == 4
    assert_holds(replica(client, keys), list(range(20)))
    assert [fields for _, fields in client.xrange(keys.catalogue_log)] == [{b"generation": b"4"}]


def test_publishing_again_changes_nothing_and_repairs_what_was_lost(client: redis.Redis, tmp_path: Path) -> None:
    keys = Keys("t:")
    fill(tmp_path / "c", range(5))
    publish(client, tmp_path / "c", keys)
    before = client.dbsize()
    assert publish(client, tmp_path / "c", keys) == 1
    assert client.xlen(keys.catalogue_log) == 1 and client.dbsize() == before
    client.delete(keys.catalogue_file(next(iter(stored(client, keys)))))
    publish(client, tmp_path / "c", keys)
    assert_holds(replica(client, keys), list(range(5)))


def test_the_previous_publication_stays_readable_and_older_ones_go(client: redis.Redis, tmp_path: Path) -> None:
    keys = Keys("t[*]?:")  # a prefix with characters that mean something in patterns
    client.set("t:catalogue:file:" + "0" * 64, "another deployment's")
    published = []
    for numbers in (range(5), range(5, 8), range(8, 9)):
        fill(tmp_path / "c", numbers)
        with writer(tmp_path / "c") as open_writer:
            open_writer.commit(compact=True)
        published.append(Catalogue.open(tmp_path / "c").manifest_bytes)
        publish(client, tmp_path / "c", keys)
    present = {key.decode().split(":")[-1] for key in client.scan_iter() if b"]?:catalogue:file:" in key}
    assert present == set(manifest_files(published[1])) | set(manifest_files(published[2]))
    assert client.exists("t:catalogue:file:" + "0" * 64)
    assert_holds(replica(client, keys), list(range(9)))


def test_a_publication_cut_anywhere_leaves_a_whole_catalogue(client: redis.Redis, tmp_path: Path) -> None:
    keys = Keys("t:")
    fill(tmp_path / "c", range(6))
    publish(client, tmp_path / "c", keys)
    fill(tmp_path / "c", range(6, 9))

    class Cut:
        """A client whose connection breaks before its n-th command."""

        def __init__(self, left: int) -> None:
            self.left = left

        def __getattr__(self, name: str) -> Any:
            attribute = getattr(client, name)
            if name in ("strlen", "set", "unlink", "scan_iter"):
                self.left -= 1
                if self.left < 0:
                    raise redis.ConnectionError("cut")
            return attribute

    cuts = 0
    for left in range(100):
        try:
            publish(Cut(left), tmp_path / "c", keys)  # type: ignore[arg-type]
            break
        except redis.ConnectionError:
            cuts += 1
            generation = replica(client, keys).generation
            assert generation in (1, 2)
    assert cuts > 4
    assert_holds(replica(client, keys), list(range(9)))


def test_a_damaged_catalogue_is_not_published(client: redis.Redis, tmp_path: Path) -> None:
    keys = Keys("t:")
    fill(tmp_path / "c", range(3))
    publish(client, tmp_path / "c", keys)
    fill(tmp_path / "c", range(3, 5))
    for path in (tmp_path / "c" / "files").iterdir():
        if path.name not in stored(client, keys):
            path.write_bytes(b"?" + path.read_bytes()[1:])
    with pytest.raises(CatalogueCorrupt):
        publish(client, tmp_path / "c", keys)
    assert_holds(replica(client, keys), [0, 1, 2])
    with pytest.raises(CatalogueError, match="there is no catalogue"):
        publish(client, tmp_path / "none", keys)


def test_publishers_in_a_race_leave_one_whole_catalogue(server: RedisServer, tmp_path: Path) -> None:
    keys = Keys("race:")
    for name, numbers in (("a", range(0, 10)), ("b", range(10, 20))):
        fill(tmp_path / name, numbers)

    def again_and_again(name: str) -> None:
        with server.client() as own:
            for _ in range(20):
                publish(own, tmp_path / name, keys)

    threads = [threading.Thread(target=again_and_again, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with server.client() as reader:
        publish(reader, tmp_path / "a", keys)
        assert_holds(replica(reader, keys), list(range(10)))


def test_watch_follows_the_catalogue_and_refills_a_redis_that_was_emptied(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys("w:")
    monkeypatch.setattr(publish_module, "POLL_S", 0.05)
    monkeypatch.setattr(publish_module, "RETRY_S", 0.3)
    said: list[str] = []
    ended = threading.Event()
    watching = threading.Thread(
        target=publish_module.watch,
        args=(client, tmp_path / "c", keys),
        kwargs={"stop": ended.wait, "report": said.append},
    )
    watching.start()
    try:
        wait_until(lambda: said == [f"waiting for a catalogue in {tmp_path / 'c'}"])
        fill(tmp_path / "c", range(3))
        wait_until(lambda: client.exists(keys.catalogue_manifest))
        fill(tmp_path / "c", range(3, 4))
        wait_until(lambda: replica(client, keys).generation == 2)
        client.flushall()
        wait_until(lambda: client.exists(keys.catalogue_manifest))
        assert_holds(replica(client, keys), list(range(4)))
        (tmp_path / "c" / "manifest.json").write_text("damaged")
        wait_until(lambda: "cannot publish" in said[-1])
        assert_holds(replica(client, keys), list(range(4)))
    finally:
        ended.set()
        watching.join()


def test_the_command_publishes_once_and_stays_with_watch(
    indexer: Indexer, indexed: Path, server: RedisServer, client: redis.Redis
) -> None:
    url = f"redis://127.0.0.1:{client.connection_pool.connection_kwargs['port']}/0"
    done = indexer("publish", "--redis-url", url, "--catalogue", indexed, "--prefix", "p:")
    assert done.code == 0 and "published generation 1" in done.out
    assert len(replica(client, Keys("p:")).tracks) == 3
    command = [sys.executable, "-m", "indexer.cli", "publish", "--watch", "--redis-url", url]
    process = subprocess.Popen(
        [*command, "--catalogue", str(indexed)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    wait_until(lambda: client.exists(Keys().catalogue_manifest), timeout_s=20)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0 and "published generation 1" in err


def test_a_redis_that_is_not_there_is_one_sentence(indexer: Indexer, indexed: Path) -> None:
    done = indexer("publish", "--redis-url", "redis://127.0.0.1:1/0", "--catalogue", indexed)
    assert done.code == 2 and "Redis did not take the catalogue" in done.err and "check --redis-url" in done.err
    assert indexer("publish", "--redis-url", "http://x", "--catalogue", indexed).code == 2
