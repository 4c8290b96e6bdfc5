"""URLs as SRC_URI has them: `scheme://[user[:password]@]host[:port]/path[?query];key=value…`.

Parameters begin at the first semicolon. `file://name` is relative.
"""

import re
from collections import OrderedDict
from urllib.parse import quote, unquote, urlsplit

from bb.fetch2.errors import MalformedUrl, MissingParameterError


def _split_pairs(text, separator):
    """The key=value pairs of a text; None is the value of a key without `=`."""
    pairs = OrderedDict()
    for item in filter(None, text.split(separator)):
        key, equals, value = item.partition("=")
        pairs[key] = value if equals else None
    return pairs


def _join_pairs(pairs, separator, keep_empty):
    """The reverse; `keep_empty` writes an empty value as `key=`."""
    return separator.join(key if value is None or not (value or keep_empty) else "%s=%s" % (key, value)
                          for key, value in pairs.items())


class URI:
    """A URL in parts that can be read and changed; str() puts them together.

    Parts: scheme, userinfo (username, password), hostname, port, path (or
    path_quoted), params and query (dictionaries). `relative` is true for
    `file:a/b`, which may also be written `file://a/b`; `hostport` is
    `hostname[:port]`.
    """

    _relative_schemes = ("file", "git")
    _netloc_forbidden = ("file",)

    def __init__(self, uri=None):
        self.scheme = ""
        self.userinfo = ""
        self.hostname = ""
        self.port = None
        self.params = {}
        self.query = {}
        self._path = ""
        self.relative = False
        if uri:
            self._parse(uri)

    def _parse(self, uri):
        uri, _, params = uri.partition(";")
        parts = urlsplit(uri)
        self.scheme = parts.scheme
        if self.scheme in self._netloc_forbidden and not uri.startswith("///", len(self.scheme) + 1):
            # What looks like the host is the beginning of a relative path.
            uri = uri.replace("://", ":", 1)
            parts = urlsplit(uri)
        without_host = self.scheme in self._relative_schemes and not uri.startswith("//", len(self.scheme) + 1)
        if not without_host:
            self.hostname = parts.hostname or ""
            self.port = parts.port
            self.userinfo = parts.username or ""
            if parts.password:
                self.userinfo += ":" + parts.password
        self.path = unquote(parts.path)
        if params:
            self.params = _split_pairs(params, ";")
        if parts.query:
            self.query = _split_pairs(parts.query, "&")

    def __str__(self):
        text = self.scheme + (":" if self.relative else "://")
        if self.userinfo:
            text += self.userinfo + "@"
        text += self.hostport + self.path_quoted
        if self.query:
            text += "?" + _join_pairs(self.query, "&", keep_empty=False)
        if self.params:
            text += ";" + _join_pairs(self.params, ";", keep_empty=True)
        return text

    @property
    def hostport(self):
        return "%s:%d" % (self.hostname, self.port) if self.port else self.hostname

    @property
    def path(self):
        return self._path

    @path.setter
    def path(self, path):
        self._path = path
        self.relative = bool(path) and not path.startswith("/")

    @property
    def path_quoted(self):
        return quote(self.path)

    @path_quoted.setter
    def path_quoted(self, path):
        self.path = unquote(path)

    @property
    def username(self):
        return self.userinfo.partition(":")[0]

    @username.setter
    def username(self, username):
        password = self.password
        self.userinfo = "%s:%s" % (username, password) if password else username

    @property
    def password(self):
        return self.userinfo.partition(":")[2]

    @password.setter
    def password(self, password):
        self.userinfo = "%s:%s" % (self.username, password)


URI.__module__ = "bb.fetch2"


def decodeurl(url):
    """(scheme, host[:port], path, user, password, parameters) of a URL."""
    uri = URI(url)
    return uri.scheme, uri.hostport, uri.path or "/", uri.username, uri.password, uri.params


def encodeurl(decoded):
    """The URL of a tuple like that of `decodeurl`."""
    scheme, host, path, user, password, params = decoded
    if not scheme:
        raise MissingParameterError("type", "encoded from the data %s" % str(decoded))
    local = scheme == "file"
    uri = URI()
    uri.scheme = scheme
    if user and not local:
        uri.username = user
        if password:
            uri.password = password
    if host and not local:
        uri.hostname = host
    if path:
        uri.path = re.sub("//+", "/", path)
        if local:
            # Relative ones are written with two slashes as well.
            uri.relative = False
    if params:
        uri.params = params
    return str(uri)


_MIRROR_URL = re.compile(r"([^:]*)://(?:([^/;]+)@)?([^;]+)(?:;(.*))?")


def decodemirrorurl(url):
    """Like `decodeurl`, for the URLs of mirror lists.

    Their parts are regular expressions, which a real URL parser would spoil.
    """
    match = _MIRROR_URL.match(url)
    if not match:
        raise MalformedUrl(url)
    scheme, user, location, param_text = match.groups()
    user = user or ""
    password = ""
    if scheme.lower() == "file":
        host, path = "", "%s@%s" % (user, location) if user else location
        user = ""
    else:
        host, slash, path = location.partition("/")
        path = slash + path if slash else "/"
        user, _, password = user.partition(":")
    params = _split_pairs(param_text or "", ";")
    for key, value in params.items():
        if value is None:
            raise MalformedUrl(url, "The URL: '%s' is invalid: parameter %s does not specify a value (missing '=')"
                               % (url, key))
    return scheme, host, unquote(path), user, password, params
