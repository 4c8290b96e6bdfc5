"""Choosing among the recipes that provide something.

For tools that have a recipe cache (`dataCache`) in hand; builds use the
engine's catalogue, which goes by the same rules.
"""

import logging
import re
from collections import defaultdict
from functools import cmp_to_key

import bb

logger = logging.getLogger("BitBake.Provider")


class NoProvider(bb.BBHandledException):
    """Nothing provides what a build needs."""


class NoRProvider(bb.BBHandledException):
    """Nothing provides what a package needs to run."""


class MultipleRProvider(bb.BBHandledException):
    """Several recipes provide what a package needs to run."""


# `[EPOCH:]VERSION` of PREFERRED_VERSION.
_WANTED = re.compile(r"(?:(?P<epoch>\d+):)?(?P<version>.*)", re.DOTALL)


def allProviders(dataCache):
    """Dictionary from recipe name to its ((epoch, version, revision), file) pairs."""
    result = defaultdict(list)
    for fn, pn in dataCache.pkg_fn.items():
        result[pn].append((dataCache.pkg_pepvpr[fn], fn))
    return result


def findProviders(cfgData, dataCache, pkg_pn=None):
    """(latest, preferred, required) by recipe name: (version, file), (version, file), and whether it has to be."""
    pkg_pn = pkg_pn or dataCache.pkg_pn
    data = cfgData.createCopy()
    bb.data.expandKeys(data)
    latest, preferred, required = {}, {}, {}
    for pn in pkg_pn:
        last_version, last_file, version, file, must = findBestProvider(pn, data, dataCache, pkg_pn)
        latest[pn] = last_version, last_file
        preferred[pn] = version, file
        required[pn] = must
    return latest, preferred, required


def sortPriorities(pn, dataCache, pkg_pn=None):
    """The files of a recipe name: lists by layer priority, the highest first, each by default preference."""
    groups = defaultdict(list)
    for fn in (pkg_pn or dataCache.pkg_pn)[pn]:
        groups[dataCache.bbfile_priority[fn]].append(fn)
    return [sorted(groups[priority], key=dataCache.pkg_dp.__getitem__) for priority in sorted(groups, reverse=True)]


def versionVariableMatch(cfgData, keyword, pn):
    """The value of KEYWORD_VERSION for a recipe name, or None.

    Names may contain `_`, which an override can't, so they are looked up whole.
    """
    for name in ("%s_VERSION:pn-%s" % (keyword, pn), "%s_VERSION_%s" % (keyword, pn), "%s_VERSION" % keyword):
        version = cfgData.getVar(name)
        if version:
            break
    return version


def preferredVersionMatch(pe, pv, pr, preferred_e, preferred_v, preferred_r):
    """Whether a version is the preferred one, of which parts may be None and the version end in `%`."""
    if preferred_r not in (None, pr) or preferred_e not in (None, pe) or preferred_v is None:
        return False
    return pv == preferred_v or preferred_v.endswith("%") and pv.startswith(preferred_v[:-1])


def findPreferredProvider(pn, cfgData, dataCache, pkg_pn=None, item=None):
    """(version, file, whether it is required) of REQUIRED_VERSION or PREFERRED_VERSION, None for what isn't there."""
    required = versionVariableMatch(cfgData, "REQUIRED", pn)
    wanted = versionVariableMatch(cfgData, "PREFERRED", pn)
    suffix = " (for item %s)" % item if item else ""
    if required is not None:
        if wanted is not None:
            logger.warning("REQUIRED_VERSION and PREFERRED_VERSION for package %s%s are both set using"
                           " REQUIRED_VERSION %s", pn, suffix, required)
        else:
            logger.debug("REQUIRED_VERSION is set for package %s%s", pn, suffix)
        wanted = required
    if not wanted:
        return None, None, required is not None

    parts = _WANTED.match(wanted)
    epoch, version = parts["epoch"], parts["version"]
    text = version if epoch is None else "%s:%s" % (epoch, version)
    files = [fn for group in pkg_pn for fn in group]
    for fn in files:
        found = dataCache.pkg_pepvpr[fn]
        if preferredVersionMatch(*found, epoch, version, None):
            logger.debug("selecting %s as %s_VERSION %s of package %s%s", fn,
                         "PREFERRED" if required is None else "REQUIRED", text, pn, suffix)
            return found, fn, required is not None

    if required is None:
        logger.warning("preferred version %s of %s not available%s", text, pn, suffix)
    available = {"%s:%s" % (pe, pv) if pe else pv for pe, pv, _ in map(dataCache.pkg_pepvpr.get, files)}
    if available:
        logger.warning("versions of %s available: %s", pn, " ".join(sorted(available)))
    if required is not None:
        logger.error("required version %s of %s not available%s", text, pn, suffix)
    return None, None, required is not None


def findLatestProvider(pn, cfgData, dataCache, file_set):
    """(version, file) of the highest default preference and version in a list of files."""
    by_version = cmp_to_key(bb.utils.vercmp)
    best = max(file_set, default=None,
               key=lambda fn: (dataCache.pkg_dp[fn], by_version(dataCache.pkg_pepvpr[fn])))
    return (None, None) if best is None else (dataCache.pkg_pepvpr[best], best)


def findBestProvider(pn, cfgData, dataCache, pkg_pn=None, item=None):
    """(latest version, its file, chosen version, its file, whether that is required) of a recipe name."""
    groups = sortPriorities(pn, dataCache, pkg_pn)
    version, fn, required = findPreferredProvider(pn, cfgData, dataCache, groups, item)
    last_version, last_fn = findLatestProvider(pn, cfgData, dataCache, groups[0])
    if fn is None and not required:
        version, fn = last_version, last_fn
    return last_version, last_fn, version, fn, required


def _filterProviders(providers, item, cfgData, dataCache):
    """One file for each recipe name among providers, those with a preferred version first."""
    # The order of files on disk must not matter.
    providers.sort()
    by_name = defaultdict(list)
    for fn in providers:
        by_name[dataCache.pkg_fn[fn]].append(fn)
    logger.debug("providers for %s are: %s", item, sorted(by_name))

    chosen = {}
    for pn in sorted(by_name):
        groups = sortPriorities(pn, dataCache, by_name)
        _, fn, required = findPreferredProvider(pn, cfgData, dataCache, groups, item)
        if required and fn is None:
            return list(chosen.values())
        if fn:
            chosen[pn] = fn
    for pn in sorted(by_name):
        if pn not in chosen:
            groups = sortPriorities(pn, dataCache, by_name)
            chosen[pn] = findLatestProvider(pn, cfgData, dataCache, groups[0])[1]
    eligible = list(chosen.values())
    # The recipe of the same name is what people expect.
    if item in chosen:
        _to_front(eligible, chosen[item])
    return eligible


def _to_front(files, fn):
    files.remove(fn)
    files.insert(0, fn)


def filterProviders(providers, item, cfgData, dataCache):
    """(files to choose from, best first, whether PREFERRED_PROVIDER decided) for something a build needs."""
    eligible = _filterProviders(providers, item, cfgData, dataCache)
    wanted = cfgData.getVar("PREFERRED_PROVIDER_%s" % item)
    if wanted:
        dataCache.preferred[item] = wanted
    wanted = dataCache.preferred.get(item)
    found = next((fn for fn in eligible if dataCache.pkg_fn[fn] == wanted), None) if wanted else None
    if found:
        logger.verbose("selecting %s to satisfy %s due to PREFERRED_PROVIDERS", wanted, item)
        _to_front(eligible, found)
    logger.debug("sorted providers for %s are: %s", item, eligible)
    return eligible, found is not None


def filterProvidersRunTime(providers, item, cfgData, dataCache):
    """(files to choose from, best first, how many were preferred) for something a package needs to run.

    PREFERRED_RPROVIDER decides, or else the PREFERRED_PROVIDER of anything a
    file provides.
    """
    eligible = _filterProviders(providers, item, cfgData, dataCache)
    wanted = cfgData.getVar("PREFERRED_RPROVIDER_%s" % item)
    for fn in eligible if wanted else ():
        if dataCache.pkg_fn[fn] == wanted:
            logger.verbose("selecting %s to satisfy %s due to PREFERRED_RPROVIDER", wanted, item)
            _to_front(eligible, fn)
            return eligible, 1

    by_name = {dataCache.pkg_fn[fn]: fn for fn in eligible}
    preferred, settings = [], []
    for fn in list(eligible):
        for provided in dataCache.pn_provides[dataCache.pkg_fn[fn]]:
            wanted = cfgData.getVar("PREFERRED_PROVIDER_%s" % provided)
            if wanted in by_name and by_name[wanted] not in preferred:
                setting = "PREFERRED_PROVIDER_%s = %s" % (provided, wanted)
                logger.verbose("selecting %s to satisfy runtime %s due to %s", wanted, item, setting)
                settings.append(setting)
                preferred.append(by_name[wanted])
                _to_front(eligible, by_name[wanted])
                break
    if len(preferred) > 1:
        logger.error("Trying to resolve runtime dependency %s resulted in conflicting PREFERRED_PROVIDER entries being"
                     " found.\nThe providers found were: %s\nThe PREFERRED_PROVIDER entries resulting in this conflict"
                     " were: %s. You could set PREFERRED_RPROVIDER_%s" % (item, preferred, settings, item))
    logger.debug("sorted runtime providers for %s are: %s", item, eligible)
    return eligible, len(preferred)


# Compiled patterns of PACKAGES_DYNAMIC.
regexp_cache = {}


def getRuntimeProviders(dataCache, rdepend):
    """The files that provide a package, by name if any do, else by PACKAGES_DYNAMIC."""
    named = list(dataCache.rproviders.get(rdepend, ())) + list(dataCache.packages.get(rdepend, ()))
    if named:
        return named
    found = []
    for key, files in dataCache.packages_dynamic.items():
        # A plus in these patterns is meant literally, as in `libstdc++`.
        pattern = key.replace("+", r"\+")
        if pattern not in regexp_cache:
            try:
                regexp_cache[pattern] = re.compile(pattern)
            except re.error:
                logger.error("Error parsing regular expression '%s'", pattern)
                raise
        if regexp_cache[pattern].match(rdepend):
            found += files
            logger.debug("Assuming %s is a dynamic package, but it may not exist" % rdepend)
    return found


def buildWorldTargetList(dataCache, task=None):
    """Fill `dataCache.world_target` with the recipe names of `world`.

    Left out are those without the task, and those that provide something
    virtual or the same as another recipe.
    """
    if dataCache.world_target:
        return
    logger.debug('collating packages for "world"')
    for fn in dataCache.possible_world:
        pn = dataCache.pkg_fn[fn]
        if task and task not in dataCache.task_deps[fn]["tasks"]:
            logger.debug2("World build skipping %s as task %s doesn't exist", fn, task)
            continue
        for provided in dataCache.pn_provides[pn]:
            if provided.startswith("virtual/"):
                logger.debug2("World build skipping %s due to %s provider starting with virtual/", fn, provided)
                break
            other = next((each for each in dataCache.providers[provided] if dataCache.pkg_fn[each] != pn), None)
            if other:
                logger.debug2("World build skipping %s due to both us and %s providing %s", fn, other, provided)
                break
        else:
            dataCache.world_target.add(pn)
