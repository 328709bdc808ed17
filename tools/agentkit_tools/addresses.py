"""Which network addresses a fetch may connect to, and the resolving of a name to addresses that were all looked at.

The answer of a name server is checked, never the name; and the caller connects to the address that was returned, so a
second answer cannot differ.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import anyio

from agentkit import ToolRetry

Address = IPv4Address | IPv6Address

# Refused on top of what `is_global` knows, which differs between Python versions.
_REFUSED: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; also Alibaba's metadata
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo among others
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet and stands for itself only."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        return False
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


async def resolved(host: str, port: int, *, label: str, allow_private: bool) -> list[Address]:
    """The addresses of a host in the order to try them; one that is not public refuses them all.

    `label` is what the refusal calls the host: a server may have named it.

    Raises:
        ToolRetry: the name cannot be resolved, or has an address that is not public while `allow_private` is false.
    """
    try:
        answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ToolRetry(f"{label} cannot be found: its host has no address.") from None
    addresses = list(dict.fromkeys(ip_address(answer[4][0]) for answer in answers))
    if not allow_private and not all(map(is_public, addresses)):
        # Without the address: what a private name resolves to is not the model's to learn.
        raise ToolRetry(f"{label} is not on the public internet: such addresses may not be fetched.")
    return addresses
