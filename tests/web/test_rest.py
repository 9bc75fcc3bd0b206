"""REST: every answer against its own description, filters, pages, CSV, tokens, headers, health and metrics."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.services import wait_until
from tests.web.stage import MODEL_ID, Heartbeats
from web.version import STATIC

TOKEN = "correct-horse-battery-staple"
API = json.loads((STATIC / "openapi.json").read_text())


def follows_description(path: str, reply: httpx.Response) -> Any:
    """Check a reply against the description of ``path`` and return its body."""
    responses = API["paths"][path]["get"]["responses"]
    response = responses.get(str(reply.status_code), responses.get("default"))
    kind = reply.headers["content-type"].partition(";")[0]
    schema = {**response["content"][kind]["schema"], "components": API["components"]}
    body = reply.json()
    jsonschema.validate(body, schema, cls=jsonschema.Draft202012Validator)
    return body


@pytest.fixture
def scene(stage):
    radio = stage.feed("radio1", title="Radio One")
    radio.beat()
    for number in range(7):
        radio.played(f"Song {number}", "Somebody", 700 - number * 90, 640 - number * 90)
    radio.open("Now on", None, s_ago=30)
    bar = stage.feed("bar")
    bar.beat(state="silent", gate="silence", level_dbfs=None)
    bar.played("In the bar", "Band", 400, 300)
    stage.worker()
    stage.catalogue()
    return stage


def test_every_answer_is_as_described(scene, serve):
    web = serve(scene)
    for path in API["paths"]:
        reply = httpx.get(web.url + path.replace("{id}", "radio1"))
        assert reply.status_code == 200, reply.text
        if reply.headers["content-type"].startswith("application/json"):
            follows_description(path, reply)
    served = httpx.get(web.url + "/api/v1/openapi.json").json()
    assert served == API


def test_streams_are_worst_first_and_hide_credentials(scene, serve):
    web = serve(scene)
    reply = httpx.get(web.url + "/api/v1/streams")
    items = follows_description("/api/v1/streams", reply)["items"]
    assert [(item["id"], item["health"]) for item in items] == [("bar", "quiet"), ("radio1", "ok")]
    assert items[1]["source"] == {"kind": "https", "label": "https://radio.example/radio1"}
    assert "secret" not in reply.text and "hidden" not in reply.text


def test_one_stream_and_a_missing_one(scene, serve):
    web = serve(scene)
    body = httpx.get(web.url + "/api/v1/streams/radio1").json()
    assert [row["title"] for row in body["now_playing"]] == ["Now on"]
    missing = httpx.get(web.url + "/api/v1/streams/nowhere")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    follows_description("/api/v1/streams/{id}", missing)


def test_pages_cover_everything_once_while_new_rows_arrive(scene, serve):
    web = serve(scene)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        body = httpx.get(web.url + "/api/v1/detections", params=params).json()
        seen += [row["title"] for row in body["items"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        scene.feed("late").played(f"Late {cursor[:4]}", None, 5, 1)
    assert seen[0] == "Now on"
    assert len(seen) == len(set(seen)) == 9


def test_filters(scene, serve):
    web = serve(scene)

    def titles(**params: str) -> list[str]:
        body = follows_description("/api/v1/detections", httpx.get(web.url + "/api/v1/detections", params=params))
        return [row["title"] for row in body["items"]]

    assert titles(feed="bar") == ["In the bar"]
    assert titles(state="open") == ["Now on"]
    rows = httpx.get(web.url + "/api/v1/detections", params={"feed": "radio1", "state": "closed"}).json()["items"]
    third = rows[2]
    assert titles(feed="radio1", **{"from": third["start_time"], "to": third["end_time"]}) == [third["title"]]
    assert titles(feed="nowhere") == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=٣", "from=yesterday", "to=2026-01-01T00:00:00", "state=maybe"]
    + ["cursor=!!", "cursor=W10", "cursor=eyJhIjoxfQ"],
)
def test_wrong_queries_are_problems(scene, serve, query):
    web = serve(scene)
    reply = httpx.get(f"{web.url}/api/v1/detections?{query}")
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/problem+json"
    follows_description("/api/v1/detections", reply)


def test_csv_is_an_as_run_log_without_formulas(stage, serve):
    radio = stage.feed("radio1")
    hostile = [
        '=HYPERLINK("http://evil")',
        "+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        " =1+1",
        "\uff1d1+1",
        'quo"te, comma\nline',
    ]
    for number, title in enumerate(hostile):
        radio.played(title, "=cmd|' /C calc'!A0", 500 - number * 30, 480 - number * 30)
    web = serve(stage)
    reply = httpx.get(web.url + "/api/v1/detections.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert [row["title"] for row in rows] == [f"'{title}" for title in hostile[:-1]] + [hostile[-1]]
    assert all(row["artist"].startswith("'=") for row in rows)
    assert [row["duration_s"] for row in rows] == ["20.0"] * len(hostile)
    assert all(row["station"] == "radio1" and row["album"] == "" and row["verdict"] == "" for row in rows)


def test_catalogue_summary_comes_from_the_manifest(stage, serve):
    web = serve(stage)
    assert set(httpx.get(web.url + "/api/v1/catalogue").json().values()) == {None}
    stage.catalogue(generation=8, tracks=3, works=2)
    wait_until(lambda: httpx.get(web.url + "/api/v1/catalogue").json()["generation"] == 8, what="the new generation")
    body = httpx.get(web.url + "/api/v1/catalogue").json()
    assert (body["tracks"], body["works"], body["model_id"]) == (3, 2, MODEL_ID)


def test_health_says_why(stage, serve):
    web = serve(stage, stale_after_s=2)

    def health() -> tuple[int, dict[str, str]]:
        reply = httpx.get(web.url + "/api/v1/healthz")
        body = follows_description("/api/v1/healthz", reply)
        return reply.status_code, {name: check["status"] for name, check in body["checks"].items()}

    assert health() == (200, {"redis": "pass", "workers": "warn", "catalogue": "warn", "captures": "pass"})
    stage.feed("radio1").beat(age_s=60)
    wait_until(lambda: health() == (503, {"redis": "pass", "workers": "fail", "catalogue": "warn", "captures": "fail"}))
    stage.catalogue()
    stage.feed("dead").beat(age_s=60)
    well = (200, {"redis": "pass", "workers": "pass", "catalogue": "pass", "captures": "warn"})
    with Heartbeats({stage.feed("radio1"): {}}):  # one beat alone might be old before a busy machine looks
        wait_until(lambda: health() == well)
    assert httpx.get(web.url + "/api/v1/livez").status_code == 200


def metrics_of(url: str, **options: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = httpx.get(url + "/metrics", **options).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics(scene, serve):
    web = serve(scene)
    scene.feed("radio1").gap(5, 4)
    wait_until(lambda: metrics_of(web.url).get(("recognizer_events_total", (("type", "stream.gap"),))) == 1)
    found = metrics_of(web.url)
    assert found["recognizer_stream_state", (("feed", "bar"), ("state", "silent"))] == 1
    assert found["recognizer_stream_state", (("feed", "bar"), ("state", "running"))] == 0
    assert found["recognizer_stream_lag_seconds", (("feed", "radio1"),)] == 0.9
    assert 0 <= found["recognizer_stream_last_audio_age_seconds", (("feed", "radio1"),)] < 30
    assert found["recognizer_worker_embed_seconds", (("worker", "worker-1"),)] == 0.041
    assert found["recognizer_worker_feeds", (("worker", "worker-1"),)] == 1
    assert found["recognizer_workers", ()] == 1
    assert found["recognizer_catalogue_generation", ()] == 7
    assert found["recognizer_redis_up", ()] == 1
    assert found["recognizer_web_clients", ()] == 0


def test_a_token_guards_everything_but_health_and_pages(scene, serve):
    web = serve(scene, token=TOKEN, kiosk_tokens={"bar": "kiosk-token-for-the-bar"})
    guarded = ["/api/v1/streams", "/api/v1/streams/bar", "/api/v1/detections", "/api/v1/detections.csv"]
    guarded += ["/api/v1/catalogue", "/metrics"]
    good = {"Authorization": f"Bearer {TOKEN}"}
    for path in guarded:
        assert httpx.get(web.url + path).status_code == 401, path
        assert httpx.get(web.url + path, headers=good).status_code == 200, path
    for path in ("/", "/kiosk/bar", "/api/v1/healthz", "/api/v1/livez", "/static/dashboard.js"):
        assert httpx.get(web.url + path).status_code == 200, path
    kiosk = {"Authorization": "Bearer kiosk-token-for-the-bar"}
    assert [row["id"] for row in httpx.get(web.url + "/api/v1/streams", headers=kiosk).json()["items"]] == ["bar"]
    rows = httpx.get(web.url + "/api/v1/detections", headers=kiosk).json()["items"]
    assert {row["feed"] for row in rows} == {"bar"}
    for path in ("/api/v1/streams/radio1", "/api/v1/detections?feed=radio1", "/metrics"):
        assert httpx.get(web.url + path, headers=kiosk).status_code == 403, path


def test_guesses_are_slowed_down(scene, serve):
    web = serve(scene, token=TOKEN)
    replies = [
        httpx.get(web.url + "/api/v1/streams", headers={"Authorization": f"Bearer guess-{n:020}"}) for n in range(12)
    ]
    assert [reply.status_code for reply in replies] == [401] * 10 + [429] * 2
    assert 0 < int(replies[-1].headers["retry-after"]) <= 61
    assert replies[0].headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/", "/kiosk/radio1", "/static/dashboard.css", "/api/v1/streams", "/nowhere", "/metrics"]
)
def test_security_headers_are_everywhere(scene, serve, path):
    headers = httpx.get(serve(scene).url + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-store" if path.startswith(("/api", "/metrics")) else "no-cache")
    assert "server" not in headers


def test_a_rebound_host_name_is_refused_without_a_token(scene, serve):
    web = serve(scene)
    reply = httpx.get(web.url + "/api/v1/streams", headers={"Host": "evil.example"})
    assert reply.status_code == 421
    assert httpx.get(web.url + "/", headers={"Host": f"localhost:{web.port}"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/%00"]
)
def test_static_files_stay_in_their_folder(scene, serve, path):
    web = serve(scene)
    with httpx.Client() as client:
        request = client.build_request("GET", web.url)
        request.url = httpx.URL(web.url).copy_with(raw_path=path.encode())
        assert client.send(request).status_code in (404, 400)


def test_unknown_addresses_and_methods_are_problems(scene, serve):
    web = serve(scene)
    for reply in (httpx.get(web.url + "/api/v2"), httpx.post(web.url + "/api/v1/streams"), httpx.delete(web.url + "/")):
        assert reply.status_code in (404, 405)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == reply.status_code
