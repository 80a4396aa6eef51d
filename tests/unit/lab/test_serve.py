"""The mirror's HTTP server: whole files, parts of files, and nothing outside its directory."""

import http.client
import threading

import pytest
from edgelab import serve

CONTENT = bytes(range(256)) * 4


@pytest.mark.parametrize(
    "header, part",
    [
        ("", None),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=-", None),
        ("bytes=9-3", None),
    ],
)
def test_ranges(header, part):
    assert serve.byte_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_ranges_outside_the_file(header):
    with pytest.raises(ValueError):
        serve.byte_range(header, 100)


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "root/k3s/v1+k3s1").mkdir(parents=True)
    (tmp_path / "root/k3s/v1+k3s1/k3s").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("secret")
    server = serve.Server(("127.0.0.1", 0), lambda *given: serve.Handler(*given, directory=str(tmp_path / "root")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def request(path, method="GET", **headers):
        connection = http.client.HTTPConnection(*server.server_address, timeout=5)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, answer.headers

    yield request
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_file_comes_whole(ask):
    for path in ("/k3s/v1+k3s1/k3s", "/k3s/v1%2Bk3s1/k3s"):
        status, body, headers = ask(path)
        assert (status, body, headers["Accept-Ranges"]) == (200, CONTENT, "bytes")


def test_a_download_goes_on_where_it_stopped(ask):
    etag = ask("/k3s/v1+k3s1/k3s")[2]["ETag"]
    status, body, headers = ask("/k3s/v1+k3s1/k3s", Range="bytes=1000-", If_Range=etag)
    assert (status, body, headers["Content-Range"]) == (206, CONTENT[1000:], "bytes 1000-1023/1024")


def test_a_changed_file_comes_whole_again(ask):
    assert ask("/k3s/v1+k3s1/k3s", Range="bytes=1000-", If_Range='"other"')[:2] == (200, CONTENT)


def test_a_range_behind_the_end(ask):
    status, body, headers = ask("/k3s/v1+k3s1/k3s", Range="bytes=1024-")
    assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */1024")


def test_head_sends_no_body(ask):
    status, body, headers = ask("/k3s/v1+k3s1/k3s", method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", "1024")


@pytest.mark.parametrize(
    "path", ["/missing", "/", "/k3s", "/../secret", "/%2e%2e/secret", "/k3s/..%2f..%2f..%2fsecret"]
)
def test_nothing_else_is_served(ask, path):
    assert ask(path)[0] == 404
