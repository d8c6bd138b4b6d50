"""What happens at the door of a running process to those who knock wrongly, slowly, or with too much?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator

import httpx
import pytest

from deploy.local.one_process import OneProcess

FIVE_GB = 5_000_000_000
# The program with shorter deadlines than it has: what is tested is that they are kept, not how long they are.
HASTY = """
from shared.runtime import bodies, connections, streams
bodies.PATIENCE_S, connections.HEAD_S, connections.STALL_S, connections.MOST_UNFINISHED = 2.0, 1.0, 1.0, 60
streams.MOST_STREAMS = 3
from services.hosting import run
run([])
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneProcess]:
    """One process that believes no proxy but one."""
    settings = {
        "TUNESCOUT_TRUSTED_PROXIES": '["127.0.0.2"]',
        "TUNESCOUT_CORS_ORIGINS": '["https://music.example"]',
    }
    folder = tmp_path_factory.mktemp("door")
    process = OneProcess(folder, environment=settings, program=("-c", HASTY), probe="/live")
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def token(door: OneProcess) -> str:
    account = {"username": f"listener-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(16)}
    httpx.post(f"{door.url}/v1/auth/signup", json=account).raise_for_status()
    answer = httpx.post(f"{door.url}/v1/auth/login", json=account).raise_for_status()
    return str(answer.json()["access_token"])


async def spoken(door: OneProcess, *sent: bytes, drip: bytes = b"", patience_s: float = 60.0) -> bytes:
    """Say something, then a byte now and then, and return all that is heard until the other side ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    hearing = asyncio.create_task(reader.read(-1))
    try:
        async with asyncio.timeout(patience_s):
            for part in sent:
                writer.write(part)
            while not hearing.done():
                await asyncio.wait([hearing], timeout=0.2)
                writer.write(drip)
            return hearing.result()
    except ConnectionError:
        return b""
    finally:
        hearing.cancel()
        writer.close()


def status_and_problem(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert problem["request_id"].encode() in head
    return int(head.split()[1]), problem


@pytest.mark.parametrize("path", ["/v1/auth/login", "/v1/queries", "/v1/songs", "/nothing", "/live"])
async def test_five_gigabytes_are_refused_before_they_are_sent(door: OneProcess, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {FIVE_GB}\r\n\r\n"

    status, problem = status_and_problem(await spoken(door, head.encode()))

    assert (status, problem["code"]) == (413, "body_too_large")


async def test_upload_of_another_size_than_the_signed_one_is_refused_before_it_is_sent(
    door: OneProcess, token: str
) -> None:
    url = httpx.URL(signed_upload(door, token))
    head = (
        f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: {FIVE_GB}\r\n"
    )

    status, problem = status_and_problem(await spoken(door, head.encode() + b"\r\n"))

    assert (status, problem["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"<script>alert(1)</script>\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /live?" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 414),
        (b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /live HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 20_000, 431),
    ],
)
async def test_what_is_no_sound_request_is_answered_with_a_problem(
    door: OneProcess, sent: bytes, expected: int
) -> None:
    status, problem = status_and_problem(await spoken(door, sent))

    assert status == problem["status"] == expected
    assert "alert" not in str(problem)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/v1/auth/login", b"{", 422),
        ("POST", "/v1/auth/login", b'{"username": "\xff\xfe"}', 400),
        ("GET", "/%3Cimg%20src=x%20onerror=alert(1)%3E", b"", 404),
        ("DELETE", "/v1/auth/login", b"", 405),
        ("GET", "/v1/auth/me", b"", 401),
        ("GET", "/docs", b"", 404),
    ],
)
async def test_every_wrong_request_is_answered_with_a_problem(
    door: OneProcess, method: str, path: str, body: bytes, expected: int
) -> None:
    async with httpx.AsyncClient(base_url=door.url, timeout=30) as client:
        answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == answer.json()["status"] == expected
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert ("allow" in answer.headers) == (expected == 405)
    assert ("www-authenticate" in answer.headers) == (expected == 401)


async def test_who_asks_for_another_protocol_is_answered_in_this_one_and_fills_no_log(door: OneProcess) -> None:
    asked = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"

    assert (await spoken(door, asked)).endswith(b"alive")
    assert "upgrade" not in door.log.read_text().lower()


@pytest.mark.parametrize("path", ["/live", "/metrics", "/nothing", "/v1/songs", "/openapi.json", "/blobs/songs/x"])
def test_every_answer_protects_whoever_uses_a_browser(door: OneProcess, path: str) -> None:
    headers = httpx.get(door.url + path).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "microphone=(self)" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers  # this process is reached by http


def test_pages_of_other_origins_are_let_in_only_by_name(door: OneProcess) -> None:
    def preflight(origin: str) -> httpx.Response:
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
        return httpx.options(f"{door.url}/v1/songs/x", headers={"Origin": origin, **asked})

    named, other = preflight("https://music.example"), preflight("https://evil.example")

    assert named.headers["access-control-allow-origin"] == "https://music.example"
    assert "authorization" in named.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    assert (other.status_code, other.json()["request_id"]) == (400, other.headers["x-request-id"])
    assert "access-control-allow-credentials" not in named.headers


def test_only_a_proxy_that_is_believed_names_requests(door: OneProcess) -> None:
    given = {"X-Request-Id": "from-the-outside-1"}
    as_proxy = httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"))

    assert httpx.get(f"{door.url}/nothing", headers=given).headers["x-request-id"] != given["X-Request-Id"]
    assert as_proxy.get(f"{door.url}/nothing", headers=given).json()["request_id"] == given["X-Request-Id"]
    assert as_proxy.get(f"{door.url}/nothing", headers={"X-Request-Id": "<b>"}).json()["request_id"] != "<b>"
    as_proxy.close()


async def test_slow_clients_are_sent_away_and_hold_up_nobody(door: OneProcess, token: str) -> None:
    upload = httpx.URL(signed_upload(door, token)).raw_path
    slow = {
        "head": b"GET /live HTTP/1.1\r\nHost: a\r\nX-A: ",
        "json": b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n",
        "unwanted": b"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n",
        "upload": b"PUT "
        + upload
        + b" HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: 50000\r\n\r\n",
    }
    leaving = [asyncio.create_task(spoken(door, begun, drip=b"a")) for begun in slow.values() for _ in range(10)]
    async with httpx.AsyncClient(base_url=door.url, timeout=30) as client:
        for _ in range(20):
            assert (await client.get("/live")).status_code == 200
    answers = await asyncio.gather(*leaving)  # each within its patience

    assert all(b"HTTP/1.1 408" in answer or not answer for answer in answers[:20] + answers[30:])
    # Who goes on sending may lose what was answered.
    assert any(b"HTTP/1.1 200" in answer for answer in answers[20:30])
    assert all(b"HTTP/1.1 200" in answer or not answer for answer in answers[20:30])
    assert not list((door.data / "audio" / "incoming").iterdir())


async def test_answers_wait_for_nobody_who_does_not_read_them(door: OneProcess) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 500)  # much more than the system keeps for us

    async with asyncio.timeout(30):
        while not writer.is_closing():  # by the other side
            writer.write(b"\r\n")
            await asyncio.sleep(0.2)
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_one_address_holds_no_more_than_its_share_of_connections(door: OneProcess) -> None:
    ends = await asyncio.gather(*(spoken(door) for _ in range(100)))

    refused = [end for end in ends if end.startswith(b"HTTP/1.1 429")]
    assert 0 < len(refused) <= 40  # who came first may have been sent away before the last came
    assert status_and_problem(refused[0])[1]["code"] == "too_many_connections"
    async with httpx.AsyncClient(base_url=door.url, timeout=30) as client:
        assert (await client.get("/live")).status_code == 200


def signed_upload(door: OneProcess, token: str) -> str:
    song = {"file_name": "../../etc/passwd", "size_bytes": 50_000, "content_type": "audio/wav"}
    answer = httpx.post(f"{door.url}/v1/songs", json=song, headers={"Authorization": f"Bearer {token}"})
    return str(answer.raise_for_status().json()["upload"]["request"]["url"])


async def test_one_user_listens_to_no_more_than_their_share_of_streams(door: OneProcess, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=door.url, headers=headers, timeout=30) as client:
        song = (await client.post("/v1/songs", json={"file_name": "a.wav", "size_bytes": 5})).json()["song"]["id"]
        async with contextlib.AsyncExitStack() as open_streams:

            async def listen() -> httpx.Response:
                return await open_streams.enter_async_context(client.stream("GET", f"/v1/songs/{song}/events"))

            assert [(await listen()).status_code for _ in range(4)] == [200, 200, 200, 429]
            refused = await listen()
            assert json.loads(await refused.aread())["code"] == "too_many_streams"
            assert "retry-after" in refused.headers
        async with asyncio.timeout(30):
            while True:
                async with client.stream("GET", f"/v1/songs/{song}/events") as again:
                    if again.status_code == 200:
                        return
