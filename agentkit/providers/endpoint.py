"""Where a model is: its URL and the headers that open it. The key is looked up at the first request, never before."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from agentkit.errors import ConfigurationError
from agentkit.providers.gateways import Gateway, Surface, gateway_named, on_surface
from agentkit.providers.keys import resolve_key

Headers = tuple[tuple[str, str], ...]

_CLASSES: Mapping[Surface, str] = {
    "chat_completions": "ChatCompletionsModel",
    "responses": "ResponsesModel",
    "messages": "MessagesModel",
    "tasks": "RunwareModel",
}


def preset_for(surface: Surface, gateway: str | Gateway | None) -> Gateway | None:
    """The preset that `gateway` means, for a model that is asked through `surface`; None when it means none.

    Raises:
        ConfigurationError: it is not known, or is asked through another surface; the message says what to use.
    """
    preset = gateway_named(gateway) if isinstance(gateway, str) else gateway
    if preset is None or preset.surface == surface:
        return preset
    same = on_surface(preset.name, surface)
    if same is not None:
        other = f"gateway={same.name!r}"
    else:
        other = f"base_url= and no gateway=, or a Gateway made with surface={surface!r}"
    raise ConfigurationError(
        f"gateway={preset.name!r} is asked through {preset.surface}, and {_CLASSES[surface]} through {surface}: use "
        f"{_CLASSES[preset.surface]}, or {other}"
    )


class Endpoint:
    """A base URL with what a request to it needs.

    Raises:
        ConfigurationError: neither a base URL nor a gateway, or a URL that is none.
    """

    def __init__(
        self,
        model: str,
        gateway: Gateway | None,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str] | None,
        *,
        key_header: str,
    ) -> None:
        if gateway is None and base_url is None:
            raise ConfigurationError(f"model {model!r} needs base_url=, or gateway= with the name of a known one")
        url = base_url if base_url is not None else gateway.base_url if gateway is not None else ""
        if "@" in url.partition("://")[2].partition("/")[0]:  # not shown: it may be a secret
            raise ConfigurationError(
                "base_url= holds a user or password, which is not sent: leave it out, and pass headers= or http_client="
            )
        if not _is_http(url):
            raise ConfigurationError(f"base_url={url!r} is not an http or https URL, such as 'https://host/v1'")
        self.base_url = url.rstrip("/")
        self.host = urlsplit(url).netloc
        self._gateway = gateway
        self._given_key = api_key
        fixed = gateway.headers if gateway is not None else {}
        self._given_headers = {name.lower(): value for name, value in {**fixed, **(headers or {})}.items()}
        self._key_header = gateway.key_header if gateway is not None else key_header
        self._key: str | None = None
        self._headers: Headers | None = None

    @property
    def secret(self) -> str:
        """The key in use; empty before the first request, or where there is none."""
        return self._key or ""

    def headers(self) -> Headers:
        """The headers of each request.

        Raises:
            MissingKey: there is no key and the gateway wants one.
            ConfigurationError: the key cannot be sent as it stands.
        """
        if self._headers is None:
            self._key = self._resolved_key()
            headers = {"content-type": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "agentkit"}
            if self._key is not None:
                bearer = self._key_header == "authorization"
                headers[self._key_header] = f"Bearer {self._key}" if bearer else self._key
            headers.update(self._given_headers)
            headers["host"] = self.host
            self._headers = tuple(headers.items())
        return self._headers

    def _resolved_key(self) -> str | None:
        preset = self._gateway
        # The key in a preset's variable is for the preset's own host; any other host gets what it is given.
        at_home = preset is not None and self.base_url == preset.base_url.rstrip("/")
        variable = preset.key_variable if preset is not None and at_home else None
        required = variable is not None and preset is not None and preset.key_required
        return resolve_key(self._given_key, variable, preset.name if preset else self.host, required=required)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
