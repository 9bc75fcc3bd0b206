from __future__ import annotations

import ipaddress
import socket

import pytest

from recognizer.errors import SourceError
from tests.worker.scripted import answer, serve
from worker.net.addresses import refusal, resolve
from worker.sources import SourceOptions, open_source

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1",
    "198.18.0.1", "::1", "fe80::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "::7f00:1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "0.0.0.0", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255", "240.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_need_permission(text):
    assert refusal(ipaddress.ip_address(text), allow_private=False)
    assert refusal(ipaddress.ip_address(text), allow_private=True) is None


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_never_a_source(text):
    assert refusal(ipaddress.ip_address(text), allow_private=False)
    assert refusal(ipaddress.ip_address(text), allow_private=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_fine(text):
    assert refusal(ipaddress.ip_address(text), allow_private=False) is None


def lookup_of(*addresses):
    def lookup(host, port, type):
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(family[ipaddress.ip_address(a).version], type, 6, "", (a, port)) for a in addresses]

    return lookup


def test_one_private_address_among_public_ones_refuses_the_name():
    with pytest.raises(SourceError, match="private") as caught:
        resolve("x.example", 80, allow_private=False, lookup=lookup_of("1.1.1.1", "10.0.0.1"))
    assert not caught.value.retryable


def test_all_public_addresses_are_returned():
    found = resolve("x.example", 80, allow_private=False, lookup=lookup_of("1.1.1.1", "2606:4700::1"))
    assert [endpoint.sockaddr[0] for endpoint in found] == ["1.1.1.1", "2606:4700::1"]


HOSTILE = [
    "file:///etc/passwd", "exec:/bin/sh", "concat:/etc/passwd|/etc/hosts", "subfile,,start,0:/etc/passwd",
    "data:audio/wav;base64,AAAA", "ftp://example.org/a.mp3", "rtmp://example.org/a", "gopher://127.0.0.1:6379/_x",
    "tcp://127.0.0.1:22", "unix:/run/redis.sock", "pipe:0", "crypto:file:/etc/passwd", "hls+http://example.org/a",
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "http://localhost/", "http://[::1]/",
    "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/", "http://[::]/",
    "http://[::ffff:127.0.0.1]/", "http://user:pass@127.0.0.1/", "http://127.0.0.1:99999/", "http:///nohost",
    "http://exa mple.org/", "http://example.org/\r\nX: y", "https://127.0.0.1/", "HTTP://127.0.0.1/", "http:127.0.0.1",
    "../../etc/passwd", "/dev/zero", "/proc/self/mem", "/etc/passwd", "__init__:x", "os:x", "worker.bus:x",
]  # fmt: skip


@pytest.mark.parametrize("spec", HOSTILE)
def test_hostile_specs_are_refused(spec):
    from recognizer.errors import DecodeError

    with pytest.raises((SourceError, DecodeError)) as caught, open_source(spec, rate_hz=16_000) as stream:
        next(stream)
    assert len(str(caught.value)) < 600


def test_a_name_is_looked_up_once_and_the_checked_address_is_used():
    # DNS rebinding: the second answer would be this machine, where a server waits to be reached.
    with serve(lambda path, connection: connection.sendall(answer())) as server:
        asked = []

        def rebinding(host, port, type):
            asked.append(host)
            address = "192.0.2.1" if len(asked) == 1 else "127.0.0.1"
            return [(socket.AF_INET, type, 6, "", (address, port))]

        options = SourceOptions(resolve=rebinding, connect_timeout_s=0.3, allow_private=True)
        with (
            pytest.raises(SourceError, match="cannot be reached"),
            open_source(f"http://rebind.example:{server.port}/", rate_hz=16_000, options=options),
        ):
            pass
        assert asked == ["rebind.example"]
        assert server.requests == []
