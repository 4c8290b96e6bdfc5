# What the engine asks about results that can be restored: which are there, and which are needed.

BB_HASHCHECK_FUNCTION ?= "sstate_checkhashes"
BB_HASHCHECK_FUNCTION[doc] = "Function that tells which tasks' results can be restored."
BB_SETSCENE_DEPVALID ?= "setscene_depvalid"
BB_SETSCENE_DEPVALID[doc] = "Function that tells whether a result is needed by what depends on it."
SSTATE_MIRRORS ?= ""
SSTATE_MIRRORS[doc] = "Pairs of pattern and URL asked for archives that SSTATE_DIR lacks: 'file://.* https://host/PATH'."

# The path of an archive below SSTATE_DIR. Names that are too long lose what is there for people only.
def sstate_object_name(spec, unihash, task):
    room = 254 - len(".siginfo")
    tail = "%s_%s.tar.zst" % (unihash, task)
    if len(spec + tail) > room:
        parts = spec.split(":")
        fixed = len(tail) + sum(len(parts[at]) for at in (0, 1, 5, 6)) + 7
        for at in (2, 3, 4):
            parts[at] = parts[at][:max(0, (room - fixed) // 3)]
        spec = ":".join(parts)
    if len(spec + tail) > room:
        bb.fatal("The name of the recipe is too long for an archive: %s" % (spec + tail))
    return os.path.join(unihash[:2], unihash[2:4], spec + tail)

# A store in which the fetcher finds archives: in SSTATE_DIR, then at the mirrors.
def sstate_fetch_data(path, d):
    local = bb.data.createCopy(d)
    for name in ("MIRRORS", "BB_FETCH_PREMIRRORONLY"):
        local.delVar(name)
    local.setVar("DL_DIR", d.getVar("SSTATE_DIR"))
    local.setVar("FILESPATH", d.getVar("SSTATE_DIR"))
    local.setVar("PREMIRRORS", d.getVar("SSTATE_MIRRORS"))
    local.setVar("SRC_URI", "file://%s;downloadfilename=%s" % (path, path))
    return local

def sstate_from_mirror(path, d, look_only):
    if not d.getVar("SSTATE_MIRRORS"):
        return False
    local = sstate_fetch_data(path, d)
    try:
        fetch = bb.fetch2.Fetch([local.getVar("SRC_URI")], local)
        fetch.checkstatus() if look_only else fetch.download()
        return True
    except bb.fetch2.BBFetchException:
        return False

# The tasks, of those in sq_data, whose archives are in SSTATE_DIR or at a mirror.
def sstate_checkhashes(sq_data, d, siginfo=False, currentcount=0, summary=True, **kwargs):
    found, missed = set(), []
    for tid in sq_data["hash"]:
        words = (sq_data["hashfn"].get(tid) or "").split(" ")
        if len(words) < 2:
            # A recipe that shares nothing.
            continue
        task = bb.runqueue.taskname_from_tid(tid).removeprefix("do_")
        name = sstate_object_name(words[1], sq_data["unihash"][tid], task) + (".siginfo" if siginfo else "")
        if os.path.exists(os.path.join(d.getVar("SSTATE_DIR"), name)):
            found.add(tid)
        else:
            missed.append((tid, name))
    if missed and d.getVar("SSTATE_MIRRORS"):
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(min(len(missed), 2 * bb.utils.cpu_count())) as pool:
            answers = pool.map(lambda wanted: sstate_from_mirror(wanted[1], d, True), missed)
            found.update(tid for (tid, _), there in zip(missed, answers) if there)
    if summary:
        total = len(sq_data["hash"])
        bb.plain("Sstate summary: Wanted %d Found %d Missed %d Current %d (%d%% match, %d%% complete)"
                 % (total, len(found), total - len(found), currentcount, 100 * len(found) // max(total, 1),
                    100 * (len(found) + currentcount) // max(total + currentcount, 1)))
    return found

# Whether a task's result can be left out: only if all that depends on it looks into packages, never into sysroots.
def setscene_depvalid(task, taskdependees, notneeded, d, log=None):
    name = taskdependees[task][1]
    others = [dependee[1] for tid, dependee in taskdependees.items() if tid != task]
    return name == "do_populate_sysroot" and all(other == "do_package" for other in others)
