"""Asking a server whether it has a file, without downloading it."""

import base64
import functools
import http.client
import logging
import os
import ssl
import urllib.request
from urllib.parse import unquote, urljoin, urlsplit

import bb

logger = logging.getLogger("BitBake.Fetcher")

# Seconds to wait for an answer, and how often to follow a redirection.
_TIMEOUT = 100
_REDIRECTIONS = 10

_PORTS = {"http": 80, "https": 443}
# Servers that don't allow HEAD say 405, or 403 when they mean it.
_TRY_GET = (403, 405)
_MOVED = (301, 302, 303, 307, 308)


@functools.lru_cache(maxsize=None)
def _tls_context(verify, cafile, capath):
    """TLS settings; making them means reading all certificates, so they are kept."""
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


def _origin(parts):
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


class _Client:
    """Sends requests, through a proxy if the environment names one, over kept connections if there is a cache."""

    def __init__(self, d, cache, verify):
        env = {**os.environ, **bb.fetch2.get_fetcher_environment(d)}
        # The lower-case variables win, so they come last.
        self.proxies = {name[:-len("_proxy")].lower(): env[name] for name in sorted(env)
                        if name.lower().endswith("_proxy") and env[name]}
        self.cafile = env.get("SSL_CERT_FILE")
        self.capath = env.get("SSL_CERT_DIR")
        self.cache = cache
        self.verify = verify

    def _connect(self, parts):
        """(new connection to a server or its proxy, headers for the proxy)."""
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all")
        if proxy and urllib.request.proxy_bypass_environment(parts.hostname, self.proxies):
            proxy = None
        via = urlsplit(proxy if "://" in proxy else "http://" + proxy) if proxy else None
        scheme, host, port = _origin(via or parts)
        login = {"Proxy-Authorization": _basic(unquote(via.username), unquote(via.password or ""))} \
            if via and via.username else {}
        if parts.scheme == "https":
            context = _tls_context(self.verify, self.cafile, self.capath)
            connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=context)
            if via:
                connection.set_tunnel(parts.hostname, parts.port or _PORTS["https"], headers=login)
            return connection, {}
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
        connection.through_proxy = bool(via)
        return connection, login

    def request(self, method, url, headers):
        """Send one request; (status, where the file has moved to or None)."""
        parts = urlsplit(url)
        scheme, host, port = _origin(parts)
        key = "%s://%s" % (scheme, host), port
        kept = self.cache.get_connection(*key) if self.cache else None
        connection, login = kept or self._connect(parts)
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        if getattr(connection, "through_proxy", False):
            target = "%s://%s%s" % (scheme, parts.netloc.rpartition("@")[2], target)
        reusable = False
        try:
            connection.request(method, target, headers={**headers, **login})
            response = connection.getresponse()
            if method == "HEAD":
                response.read()
                reusable = not response.will_close
            return response.status, response.headers.get("Location")
        finally:
            if self.cache and reusable:
                if not kept:
                    self.cache.add_connection(*key, _Kept((connection, login)))
            elif kept:
                self.cache.remove_connection(*key)
            else:
                connection.close()

    def exists(self, url, headers):
        """Whether a URL, or where it leads, can be had."""
        method = "HEAD"
        for _ in range(_REDIRECTIONS + 1):
            status, location = self.request(method, url, headers)
            if status in _MOVED and location:
                target = urljoin(url, location.replace(" ", "%20"))
                if urlsplit(target).scheme not in _PORTS:
                    return False
                if _origin(urlsplit(target)) != _origin(urlsplit(url)):
                    # Another server must not learn the password.
                    headers = {name: value for name, value in headers.items() if name != "Authorization"}
                url = target
            elif status in _TRY_GET and method == "HEAD":
                method = "GET"
            else:
                return 200 <= status < 300
        return False


class _Kept(tuple):
    """A connection and the headers that go with it, in the cache of connections."""

    def close(self):
        self[0].close()


def _headers(ud, url):
    """The headers of a request; a password comes from the URL or from ~/.netrc."""
    import netrc

    headers = {"Accept": "*/*", "User-Agent": "bitbake/%s" % bb.__version__}
    if ud.user and ud.pswd:
        headers["Authorization"] = _basic(ud.user, ud.pswd)
    try:
        login = netrc.netrc().authenticators(urlsplit(url).hostname)
    except (FileNotFoundError, netrc.NetrcParseError):
        login = None
    if login:
        headers["Authorization"] = _basic(login[0], login[2])
    return headers


def url_exists(ud, d, connection_cache, verify, retry=True):
    """Whether the file of a URL can be had; a failed attempt is repeated once with `retry`."""
    url = ud.url.partition(";")[0]
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    for last in ((False, True) if retry else (True,)):
        try:
            if parts.scheme in _PORTS:
                return _Client(d, connection_cache, verify).exists(url, _headers(ud, url))
            with urllib.request.urlopen(url, timeout=_TIMEOUT):
                return True
        except (OSError, http.client.HTTPException) as exc:
            # Only debug messages: looking for shared state fails very often.
            if last:
                logger.debug2("checkstatus() urlopen failed for %s: %s", url, exc)
            else:
                logger.debug2("checkstatus: trying again after exception %s", exc)
    return False
