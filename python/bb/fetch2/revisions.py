"""Which revision of a repository is wanted: SRCREV, AUTOREV, and what becomes of them in PV."""

import re

import bb
from bb.fetch2.errors import FetchError

# URLs that are no repository by their looks, and that are well formed: most of them all.
_PLAIN = re.compile(r"(?:file|https?|ftp)://[^;${}]*[^;/${}](?:;(?!protocol=|name=[^;]*,)[^=;${}]+=[^;${}]*)*")

# How many characters of a revision go into a version.
_SHORT = 10


def mark_recipe_nocache(d):
    """Have a recipe parsed anew next time, unless BB_SRCREV_POLICY is "cache"."""
    if d.getVar("BB_SRCREV_POLICY") != "cache":
        d.setVar("BB_DONT_CACHE", "1")


def get_autorev(d):
    """The value of AUTOREV: a text that stands for the newest revision."""
    mark_recipe_nocache(d)
    d.setVar("__BBAUTOREV_SEEN", True)
    return "AUTOINC"


def srcrev_internal_helper(ud, d, name):
    """The revision wanted of a URL: from SRCREV or its parameter `rev` or `tag`, or the newest."""
    recipe = d.getVar("PN")
    variables = []
    for variable in (["SRCREV_%s" % name] if name else []) + ["SRCREV"]:
        if recipe:
            variables.append("%s:pn-%s" % (variable, recipe))
        variables.append(variable)

    wanted = next(filter(_is_valid, map(d.getVar, variables)), None)
    if "rev" in ud.parm:
        parameter = ud.parm["rev"]
        if wanted and wanted != parameter:
            raise FetchError("Conflicting revisions (%s from SRCREV and %s from the url) found, please specify one"
                             " valid value" % (wanted, parameter))
        return parameter
    if not wanted:
        if "tag" in ud.parm:
            return ud.parm["tag"]
        raise FetchError("Please set a valid SRCREV for url %s (possible key names are %s, or use a ;rev=X URL"
                         " parameter)" % (ud.url, variables), ud.url)
    if wanted == "AUTOINC":
        d.setVar("__BBAUTOREV_ACTED_UPON", True)
        return ud.method.latest_revision(ud, d, name)
    return wanted


def _is_valid(revision):
    return revision and revision != "INVALID"


def _get_srcrev(d, method_name="sortable_revision"):
    """(text for a version, list of full revisions) of the repositories in SRC_URI.

    `method_name` is the fetcher method to ask. Several repositories are
    combined as SRCREV_FORMAT says. The text begins with `AUTOINC+` if it
    doesn't sort by age on its own.
    """
    from bb.fetch2 import Fetch

    d.setVar("__BBSRCREV_SEEN", "1")
    if d.getVar("__BBINSRCREV"):
        raise FetchError("There are recursive references in fetcher variables, likely through SRC_URI")
    d.setVar("__BBINSRCREV", True)
    try:
        urls = d.getVar("SRC_URI").split()
        if bb.fetch2.methods_are_ours() and all(map(_PLAIN.fullmatch, urls)):
            return "", []
        urldata = Fetch(urls, d).ud
        repositories = {url: ud for url, ud in urldata.items() if ud.method.supports_srcrev()}
        if not repositories:
            return "", []
        template = None
        if len(repositories) > 1:
            template = d.getVar("SRCREV_FORMAT")
            if not template:
                raise FetchError("The SRCREV_FORMAT variable must be set when multiple SCMs are used.\n"
                                 "The SCMs are:\n%s" % "\n".join(repositories))
        revisions = []
        short = {}
        unsorted = False
        for ud in repositories.values():
            autoinc, revision = getattr(ud.method, method_name)(ud, d, ud.name)
            unsorted = unsorted or autoinc
            revisions.append(revision)
            short[ud.name] = revision[:_SHORT]
        if template is None:
            text = next(iter(short.values()))
        else:
            # The longest first, as a name may begin with another one. A single
            # pass, as a name may also occur within a revision.
            names = sorted(short, key=len, reverse=True)
            text = re.sub("|".join(map(re.escape, names)), lambda match: short[match.group()], template)
        return ("AUTOINC+" if unsorted else "") + text, revisions
    finally:
        d.delVar("__BBINSRCREV")


def get_hashvalue(d, method_name="sortable_revision"):
    """All revisions of SRC_URI in one text, for task hashes."""
    return " ".join(_get_srcrev(d, method_name)[1])


def get_pkgv_string(d, method_name="sortable_revision"):
    """The revisions as they appear in a version; "" if there is no repository."""
    return _get_srcrev(d, method_name)[0]


def get_srcrev(d, method_name="sortable_revision"):
    """The value of SRCPV: like `get_pkgv_string`, but there must be a repository."""
    text = _get_srcrev(d, method_name)[0]
    if not text:
        raise FetchError("SRCREV was used yet no valid SCM was found in SRC_URI")
    return text
