"""Finding the newest version of a file in the directory it was downloaded from."""

import re
from html.parser import HTMLParser

import bb
from bb.fetch2.uri import encodeurl

# How names of source archives are usually built, e.g. gnome-common-2.20.0.tar.gz,
# blktool_4.orig.tar.gz, unzip552.tar.gz, icu4c-3_6-src.tgz, 80325-quicky-0.4.tar.gz.
_NAME = r"(?:[a-zA-Z][a-zA-Z0-9]*(?:[-_][a-zA-Z]\w+)*\+?[-_]|[a-zA-Z]+|[0-9]+-?[a-zA-Z]+)"
_VERSION = r"(?:(?:[A-Z]*\d+[a-zA-Z]*[.\-_]*)+)"
_ARCH = "-source|_all_"
_SUFFIX = (r"(?:tar\.\w+|tgz|zip|xz|rpm|bz2|orig\.tar\.\w+|src\.tar\.\w+|src\.tgz|svnr\d+\.tar\.\w+"
           r"|stable\.tar\.\w+|src\.rpm)")
_FILE = re.compile(r"(?P<name>%s?\.?v?)(?P<pver>%s)(?P<arch>%s)?[.-](?P<type>%s$)"
                   % (_NAME, _VERSION, _ARCH, _SUFFIX))

# A directory named by a version, alone or within a path.
_VERSION_DIRECTORY = re.compile(r"^(?P<prefix>\D*)(?P<version>(?:\d+[.\-_])*\d+)$")
_DIRECTORY_IN_PATH = re.compile(r"([^/]*(?:\d+\.)*\d+(?:[-_]r\d+)*)/")

# Stages on the way to a release sort below it and in this order.
_STAGES = (("(?:rc)+", ".1000."), ("(?:beta)+", ".100."), ("(?:alpha)+", ".10."))


class _Links(HTMLParser):
    """Collects the links of a page as (target, the whole element as text)."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found = []
        self._target = None
        self._text = ""
        self.feed(page.decode("utf-8", errors="replace") if isinstance(page, bytes) else page)
        self.close()
        self._end_link()

    def _end_link(self):
        if self._target is not None:
            self.found.append((self._target, self._text + "</a>"))
            self._target = None

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self._end_link()
            self._target = dict(attrs).get("href")
            self._text = ""
        if self._target is not None:
            self._text += self.get_starttag_text()

    def handle_endtag(self, tag):
        if tag == "a":
            self._end_link()
        else:
            self._text += "</%s>" % tag

    def handle_data(self, data):
        self._text += data


def _comparable(version):
    """A version in the form that `bb.utils.vercmp` understands."""
    if version[:1] in (".", "-"):
        # `-3.1` is 3.1 behind a separator, and so is `.r3`.
        version = version[1] + version[0] + version[2:] if version[1:2].isdigit() else version[1:]
    version = version.replace("-", ".").replace("_", ".")
    for pattern, number in _STAGES:
        version = re.sub(pattern, number, version)
    return "0", version[1:] if version.startswith("v") else version, ""


def _newer(old, new):
    """Whether the second of two versions is newer."""
    return bb.utils.vercmp(_comparable(old), _comparable(new)) < 0


class _Search:
    """The search for the newest version of one URL's file."""

    def __init__(self, method, ud, d, filter_regex):
        self.method = method
        self.ud = ud
        self.d = d
        self.filter_regex = filter_regex
        self.file = ud.parm.get("downloadfilename", ud.path.rpartition("/")[2])
        self.pattern = self._pattern()

    def _pattern(self):
        """What files of this package are called, or None."""
        own = self.d.getVar("UPSTREAM_CHECK_REGEX")
        if own:
            return re.compile(own)
        match = _FILE.search(self.file)
        if not match:
            return None
        return re.compile(r"(?P<name>%s)(?P<pver>%s)(?P<arch>%s)?[.-](?P<type>%s)"
                          % (re.escape(match.group("name")), _VERSION, _ARCH, _SUFFIX))

    def _links(self, uri):
        bb.debug(3, "VersionURL: %s" % uri)
        return _Links(self.method._fetch_index(uri, self.ud, self.d)).found

    def _url(self, path):
        ud = self.ud
        return encodeurl((ud.type, ud.host, path, ud.user, ud.pswd, {}))

    def _parsed(self, text):
        """(name, version, archive type) of a link that matches, or None."""
        match = self.pattern.search(text)
        if not match:
            return None
        groups = match.groupdict("")
        return groups.get("name", ""), groups.get("pver", ""), groups.get("type", "")

    def in_page(self, uri):
        """The newest version a page links to, or ""."""
        best = None
        for target, element in self._links(uri):
            candidate = self._parsed(target) or self._parsed(element)
            if not candidate or not candidate[1]:
                continue
            name, version, suffix = candidate
            if self.filter_regex and not re.match(self.filter_regex, version.replace("_", ".")):
                continue
            bb.debug(3, "Upstream version found: %s" % version)
            if best is None:
                best = candidate
            elif suffix and not re.search(_SUFFIX, suffix):
                bb.warn("%s has a possible unknown suffix: %s" % (name, suffix))
            elif name == best[0] and _newer(best[1], version):
                best = candidate
        return best[1].replace("_", ".") if best else ""

    def in_directories(self, current):
        """The newest version in the directories beside the one named `current`, or ""."""
        match = _VERSION_DIRECTORY.search(current)
        newest = match.group("version") if match else current
        result = ""
        for target, _ in self._links(self._url(self.ud.path.partition(current)[0])):
            match = _VERSION_DIRECTORY.search(target.strip("/"))
            if not match or _newer(match.group("version"), newest):
                continue
            name = match.group("prefix").rpartition("/")[2] + match.group("version")
            path = self.ud.path.replace(current, name, 1).partition(self.file)[0]
            found = self.in_page(self._url(path))
            if found:
                result = found
                newest = match.group("version")
        return result

    def run(self):
        """The newest version, or ""."""
        if not re.search(r"\d", self.file):
            # Nothing to compare: the file's name never changes.
            return re.sub("[_-]", ".", self.d.getVar("PV") or "")
        if self.pattern is None:
            bb.warn("latest_versionstring: package %s don't match pattern" % self.file)
            return ""
        page = self.d.getVar("UPSTREAM_CHECK_URI")
        if page:
            return self.in_page(page)
        path = self.ud.path.partition(self.file)[0]
        directories = _DIRECTORY_IN_PATH.findall(path)
        # A number may also belong to the package's name, as in `gtk+3`.
        if directories and not re.search(re.escape(self.d.getVar("PN")) + r"\d?", directories[-1]):
            return self.in_directories(directories[-1])
        return self.in_page(self._url(path))


def newest_version(method, ud, d, filter_regex=None):
    """The newest version of a URL's file upstream, "" if there is no telling.

    UPSTREAM_CHECK_URI is the page to look at, UPSTREAM_CHECK_REGEX what links
    to files look like; `filter_regex` is what versions have to match.
    """
    return _Search(method, ud, d, filter_regex).run()
