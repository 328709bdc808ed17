"""Which proxy a URL goes through: the environment's, the given one, or none. Loopback never goes through a proxy."""

import ipaddress
from urllib.parse import urlsplit

from agentkit.errors import ConfigurationError


def proxy_for(url: str, proxy: str | None = None) -> str | None:
    """The proxy URL for `url`; `proxy` wins over HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    Raises:
        ConfigurationError: the proxy is not an http or https one.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    if proxy is None:
        import urllib.request  # brings http.client and email along

        if urllib.request.proxy_bypass(host):
            return None
        found = urllib.request.getproxies()
        proxy = found.get(parts.scheme) or found.get("all")
    if proxy is None:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https"):
        raise ConfigurationError(
            f"the proxy for {host} is of kind {scheme!r}; http and https proxies are supported: change ALL_PROXY or "
            f"{parts.scheme.upper()}_PROXY, add the host to NO_PROXY, or pass http_client="
        )
    return proxy


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine's own loopback interface, by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
