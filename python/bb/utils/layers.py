"""Which layer a file belongs to."""


def get_collection_res(d):
    """Dictionary from layer name (BBFILE_COLLECTIONS) to its BBFILE_PATTERN."""
    return {name: d.getVar("BBFILE_PATTERN_%s" % name) or ""
            for name in (d.getVar("BBFILE_COLLECTIONS") or "").split()}


def get_file_layer(filename, d, collection_res={}):
    """Name of the layer a file is in, or None.

    Recipes are looked up by the BBFILES entry they match, other files by
    their path. The longest matching pattern wins, so nested layers work.
    """
    import fnmatch
    import re

    patterns = collection_res or get_collection_res(d)
    subject = filename
    for entry in (d.getVar("BBFILES_PRIORITIZED") or "").split():
        if fnmatch.fnmatchcase(filename, entry):
            subject = entry
            break
    matching = [name for name, pattern in patterns.items() if pattern and re.match(pattern, subject)]
    return max(matching, key=lambda name: len(patterns[name]), default=None)
