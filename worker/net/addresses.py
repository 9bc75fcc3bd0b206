"""Which addresses may be connected to.

A host name is looked up once, every address it has is checked, and the connection goes to a checked address and not
to the name again: a name that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recognizer.errors import SourceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Instance metadata and host agents of cloud providers: never an audio source, whatever a feed allows.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
ALLOWING = "; if that is meant, set allow_private = true for the feed, or give --allow-private"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked socket address: what `socket.socket` and ``connect`` take."""

    family: int
    sockaddr: tuple[Any, ...]


def embedded(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that an IPv6 address stands for (mapped, 6to4, Teredo, NAT64)."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        candidates = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            candidates.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, the deprecated "IPv4-compatible" form
            candidates.append(ipaddress.IPv4Address(int(address)))
        found += [candidate for candidate in candidates if candidate is not None]
    return found


def refusal(address: Address, allow_private: bool) -> str | None:
    """Why an address is refused (a phrase), or None when it may be used."""
    for each in embedded(address):
        if each in METADATA:
            return "a cloud metadata address"
        if each.is_multicast:
            return "a multicast address"
        if each.is_unspecified:
            return "the unspecified address"
        if not each.is_global and not (each is address and _wraps_public(address)):
            if not allow_private:
                return "a loopback address" if each.is_loopback else "a private or link-local address"
            if each.is_reserved and not each.is_loopback:
                return "a reserved address"
    return None


def _wraps_public(address: Address) -> bool:
    """Whether a not globally routed IPv6 form (mapped) stands for IPv4 addresses, which are judged instead."""
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def resolve(host: str, port: int, *, allow_private: bool, lookup: Callable[..., list[Any]]) -> list[Endpoint]:
    """Every address of ``host``, checked.

    Raises
    ------
    SourceError
        When the name has no address (retryable) or when *any* address is refused (final: an attacker who controls the
        name would otherwise choose which one is used).
    """
    try:
        found = lookup(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"host {host!r} has no address ({error}); check the name and the network") from error
    endpoints = []
    for family, _, _, _, sockaddr in found:
        text = str(sockaddr[0]).partition("%")[0]
        reason = refusal(ipaddress.ip_address(text), allow_private)
        if reason:
            raise SourceError(
                f"host {host!r} has {reason} ({text}), which is refused{'' if allow_private else ALLOWING}",
                state="invalid_source",
                retryable=False,
            )
        endpoints.append(Endpoint(int(family), tuple(sockaddr)))
    if not endpoints:
        raise SourceError(f"host {host!r} has no address; check the name and the network")
    return endpoints
