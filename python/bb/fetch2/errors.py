"""What can go wrong while fetching and unpacking."""


class BBFetchException(Exception):
    """Base of all fetcher errors; `msg` is the text for the user."""

    def __init__(self, message):
        super().__init__(message)
        self.msg = message

    def __str__(self):
        return self.msg


class _UrlError(BBFetchException):
    """An error about one URL.

    `args` are what the class was called with, so that it can be pickled.
    """

    def __init__(self, message, url, *args):
        super().__init__(message)
        self.url = url
        self.args = args


class UntrustedUrl(_UrlError):
    """A host that BB_ALLOWED_NETWORKS doesn't list."""

    def __init__(self, url, message=""):
        super().__init__(str(message) if message else "The URL: '%s' is not trusted and cannot be used" % url, url, url)


class MalformedUrl(_UrlError):
    """A text that is no URL."""

    def __init__(self, url, message=""):
        super().__init__(message or "The URL: '%s' is invalid and cannot be interpreted" % url, url, url)


class FetchError(_UrlError):
    """Fetching failed."""

    def __init__(self, message, url=None):
        where = "Fetcher failure for URL: '%s'. %s" % (url, message) if url else "Fetcher failure: %s" % message
        super().__init__(where, url, message, url)


class ChecksumError(FetchError):
    """A file has another checksum than the recipe says; `checksum` is the file's."""

    def __init__(self, message, url=None, checksum=None):
        super().__init__(message, url)
        self.checksum = checksum


class NoChecksumError(FetchError):
    """The recipe has no checksum for a file, and BB_STRICT_CHECKSUM demands one."""


class UnpackError(_UrlError):
    """Unpacking failed."""

    def __init__(self, message, url):
        super().__init__("Unpack failure for URL: '%s'. %s" % (url, message), url, message, url)


class LocalModificationsError(UnpackError):
    """A checkout can't be updated because files in it were changed."""

    def __init__(self, repodir, url, git_output):
        super().__init__("Repository at %s has uncommitted changes, unable to update:\n%s\n"
                         "Commit, stash or discard your changes and re-run the update."
                         % (repodir, git_output), url)
        self.args = (repodir, url, git_output)


class RebaseError(UnpackError):
    """A checkout can't be updated because commits in it don't fit the new revision."""

    def __init__(self, repodir, url, git_output):
        super().__init__("Repository at %s has local commits that could not be rebased onto the new upstream"
                         " revision:\n%s\n"
                         "Note: the 'dldir' remote points to the local download cache and may be used to resolve"
                         " the conflict manually.\n"
                         "Once resolved, re-run the update." % (repodir, git_output), url)
        self.args = (repodir, url, git_output)


class NoMethodError(_UrlError):
    """No fetcher knows this kind of URL."""

    def __init__(self, url):
        super().__init__("Could not find a fetcher which supports the URL: '%s'" % url, url, url)


class MissingParameterError(_UrlError):
    """A URL lacks a parameter that its fetcher needs."""

    def __init__(self, missing, url):
        super().__init__("URL: '%s' is missing the required parameter '%s'" % (url, missing), url, missing, url)
        self.missing = missing


class ParameterError(_UrlError):
    """A URL has parameters that make no sense."""

    def __init__(self, message, url):
        super().__init__("URL: '%s' has invalid parameters. %s" % (url, message), url, message, url)


class NetworkAccess(_UrlError):
    """The network is needed but switched off."""

    def __init__(self, url, cmd):
        super().__init__("Network access disabled through BB_NO_NETWORK (or set indirectly due to use of"
                         " BB_FETCH_PREMIRRORONLY) but access requested with command %s (for url %s)"
                         % (cmd, url), url, url, cmd)
        self.cmd = cmd


class NonLocalMethod(Exception):
    """A URL is not `file://` where only those are wanted."""


__all__ = [name for name, value in list(globals().items())
           if isinstance(value, type) and not name.startswith("_")]

# Tracebacks and pickles know these classes as bb.fetch2.NAME.
for _name in __all__:
    globals()[_name].__module__ = "bb.fetch2"
