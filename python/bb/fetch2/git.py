"""git:// - repositories, with the git command.

Parameters: branch, nobranch, tag, rev, protocol, rebaseable, usehead,
nocheckout, bareclone, subpath, subdir, destsuffix, lfs; see the BitBake manual,
section "Git Fetcher". A bare mirror clone is kept in DL_DIR/git2.
"""

import logging
import os
import re
import shlex
from contextlib import contextmanager
from urllib.parse import quote

import bb
from bb.fetch2 import (FetchError, FetchMethod, LocalModificationsError, NetworkAccess, ParameterError, RebaseError,
                       UnpackError, runfetchcmd, trusted_network)
from bb.fetch2.gitlfs import LargeFiles
from bb.fetch2.gitshallow import ShallowClones
from bb.progress import LineFilterProgressHandler

logger = logging.getLogger("BitBake.Fetcher")

# A complete revision, SHA-1 or SHA-256.
git_hash_re = re.compile(r"^[0-9a-f]{40,64}$")

_PROTOCOLS = ("git", "file", "ssh", "http", "https", "rsync")
_DEFAULT_COMMAND = ("git -c gc.autoDetach=false -c core.pager=cat -c safe.bareRepository=all"
                    " -c clone.defaultRemoteName=origin")
# For commands whose output is read by people or by us.
_PLAIN_LANGUAGE = {"LANG": "C"}


class GitProgressHandler(LineFilterProgressHandler):
    """Reads the progress that git prints on its way through four stages."""

    # Name in the output, where it begins and how much it is in percent.
    _STAGES = (("Resolving deltas", 75, 25), ("Receiving objects", 25, 50),
               ("Compressing objects", 20, 5), ("Counting objects", 0, 20))
    _PERCENT = re.compile(r"(\d+)%")
    _RATE = re.compile(r"([\d.]+ [a-zA-Z]*/s+)")
    _COUNT = re.compile(r": (\d+)")

    def __init__(self, d):
        self._recent = ""
        self._counted = 0
        super().__init__(d)
        self._fire_progress(-1)

    def write(self, string):
        self._recent += string
        for stage in self._STAGES:
            if stage[0] in self._recent:
                self._recent = ""
                break
        _, begin, share = stage
        percents = self._PERCENT.findall(string)
        if percents:
            rates = self._RATE.findall(string)
            self.update(round(begin + int(percents[-1]) * share / 100), rates[-1] if rates else None)
        elif begin == 0:
            counts = self._COUNT.findall(string)
            if counts and int(counts[-1]) > self._counted:
                self._counted = int(counts[-1])
                self._fire_progress(-self._counted)
        super().write(string)


def _is_on(ud, parameter, default="0"):
    return ud.parm.get(parameter, default) == "1"


class Git(LargeFiles, ShallowClones, FetchMethod):
    """Clones repositories."""

    def init(self, d):
        """Nothing to prepare."""

    def supports(self, ud, d):
        return ud.type == "git"

    def supports_checksum(self, urldata):
        return False

    def supports_srcrev(self):
        return True

    def cleanup_upon_failure(self):
        # A clone without the wanted revision is still worth keeping.
        return False

    # ---- the data of a URL

    def urldata_init(self, ud, d):
        ud.proto = ud.parm.get("protocol") or ("git" if ud.host else "file")
        if ud.host == "github.com" and ud.proto == "git":
            ud.proto = "https"
            bb.warn("URL: %s uses git protocol which is no longer supported by github. Please change to"
                    " ;protocol=https in the url." % ud.url)
        if ud.proto not in _PROTOCOLS:
            raise ParameterError("Invalid protocol type: '%s'" % ud.proto, ud.url)

        ud.rebaseable = _is_on(ud, "rebaseable")
        ud.usehead = _is_on(ud, "usehead")
        if ud.usehead and ud.proto != "file":
            raise ParameterError("The usehead option is only for use with local ('protocol=file') git repositories",
                                 ud.url)
        ud.nobranch = ud.usehead or _is_on(ud, "nobranch")
        ud.bareclone = _is_on(ud, "bareclone")
        ud.nocheckout = ud.bareclone or _is_on(ud, "nocheckout")
        ud.branch = ud.parm.get("branch", "")
        if not ud.branch and not ud.nobranch:
            raise ParameterError("The url does not set any branch parameter or set nobranch=1.", ud.url)

        for what in (ud.branch, ud.parm.get("tag", ""), ud.host, ud.user):
            if what.startswith("-"):
                # git, or ssh, would take it for an option.
                raise ParameterError("'%s' must not begin with a dash" % what, ud.url)

        ud.basecmd = shlex.split(d.getVar("FETCHCMD_git") or _DEFAULT_COMMAND)
        ud.noshared = d.getVar("BB_GIT_NOSHARED") == "1"
        ud.cloneflags = ["-n"]
        if not ud.noshared:
            ud.cloneflags.append("-s")
        if ud.bareclone:
            ud.cloneflags.append("--mirror")
        self.setup_shallow(ud, d)
        tarballs = d.getVar("BB_GENERATE_MIRROR_TARBALLS") or "0"
        ud.write_tarballs = tarballs != "0" or ud.rebaseable
        ud.write_shallow_tarballs = (d.getVar("BB_GENERATE_SHALLOW_TARBALLS") or tarballs) != "0"

        # What the newest revision is asked for, should it be needed.
        ud.unresolvedrev = "HEAD" if ud.usehead else ud.branch
        ud.setup_revisions(d)
        if not git_hash_re.match(ud.revision or ""):
            if ud.revision:
                ud.unresolvedrev = ud.revision
            ud.revision = self.latest_revision(ud, d, ud.name)

        name = ud.host.replace(":", ".") + ud.path.translate(str.maketrans("/* ()", "..___"))
        name = name[1:] if name.startswith(".") else name
        if ud.rebaseable:
            # Every revision needs a mirror of its own, as upstream may lose it.
            name += "_" + ud.revision
        downloads = d.getVar("DL_DIR")
        ud.clonedir = ud.localfile = os.path.join(d.getVar("GITDIR") or downloads + "/git2", name)
        tarball = "git2_%s.tar.gz" % name
        ud.fullmirror = os.path.join(downloads, tarball)
        ud.mirrortarballs = [tarball]
        if ud.shallow:
            ud.shallowtarball = self.shallow_tarball_name(ud, name)
            ud.fullshallow = os.path.join(downloads, ud.shallowtarball)
            ud.mirrortarballs.insert(0, ud.shallowtarball)

    def localpath(self, ud, d):
        return ud.clonedir

    def _get_repo_url(self, ud):
        """The URL for git. Passwords are left out: URLs end up in too many files."""
        return "%s://%s%s%s" % (ud.proto, ud.user + "@" if ud.user else "", ud.host, quote(ud.path))

    def _git(self, ud, d, arguments, workdir=None, **options):
        """Run git and return what it printed."""
        return runfetchcmd(ud.basecmd + arguments, d, workdir=workdir, **options)

    # ---- downloading

    def need_update(self, ud, d):
        return (self.clonedir_need_update(ud, d)
                or self.shallow_tarball_need_update(ud)
                or self.tarball_need_update(ud)
                or self.lfs_need_update(ud, d))

    def clonedir_need_update(self, ud, d):
        """Whether the clone is missing, or lacks something that is wanted of it."""
        return bool(not os.path.exists(ud.clonedir)
                    or ud.shallow and ud.write_shallow_tarballs and self.clonedir_need_shallow_revs(ud, d)
                    or not self._contains_ref(ud, d, ud.name, ud.clonedir)
                    or "tag" in ud.parm and not self._contains_ref(ud, d, ud.name, ud.clonedir, tag=True))

    def tarball_need_update(self, ud):
        """Whether the mirror tarball is wanted but missing."""
        return ud.write_tarballs and not os.path.exists(ud.fullmirror)

    def _contains_ref(self, ud, d, name, wd, tag=False):
        """Whether a clone has the wanted revision (or tag) on the wanted branch."""
        wanted = "refs/tags/%s" % ud.parm["tag"] if tag else ud.revision
        if ud.nobranch:
            arguments = ["log", "--pretty=oneline", "-n", "1", wanted, "--"]
        else:
            arguments = ["branch", "--contains", wanted, "--list", ud.branch]
        try:
            return bool(self._git(ud, d, arguments, wd))
        except FetchError:
            return False

    def try_premirror(self, ud, d):
        # With a clone already there, upstream sends only what is new in it;
        # a premirror's tarball might be older than the clone.
        return (bb.utils.to_boolean(d.getVar("BB_FETCH_PREMIRRORONLY"))
                or not trusted_network(d, ud.url)
                or not os.path.exists(ud.clonedir))

    def download(self, ud, d):
        """Bring the clone up to date, from a tarball in DL_DIR if possible, else from upstream."""
        if ud.shallow and os.path.exists(ud.fullshallow) and self.need_update(ud, d):
            ud.localpath = ud.fullshallow
            return
        if os.path.exists(ud.fullmirror) and self.need_update(ud, d):
            self._use_mirror_tarball(ud, d)

        url = self._get_repo_url(ud)
        if not self._is_clone(ud, d):
            url = self._local_path_of(url)
            if not self._clone(ud, d, url):
                # There is a shallow tarball now, which is all that's needed.
                ud.localpath = ud.fullshallow
                return
        if self.clonedir_need_update(ud, d):
            self._update_clone(ud, d, url)

        if not self._contains_ref(ud, d, ud.name, ud.clonedir):
            raise FetchError("Unable to find revision %s in branch %s even from upstream" % (ud.revision, ud.branch))
        if ud.shallow and ud.write_shallow_tarballs:
            missing = self.clonedir_need_shallow_revs(ud, d)
            if missing:
                raise FetchError("Unable to find revision %s even from upstream" % missing)
        if self.lfs_need_update(ud, d):
            self.lfs_fetch(ud, d, ud.clonedir, ud.revision)

    def _use_mirror_tarball(self, ud, d):
        """Make the clone from the mirror tarball, or add what the tarball has to it."""
        unpack = ["tar", "-xzf", ud.fullmirror]
        if not os.path.exists(ud.clonedir):
            bb.utils.mkdirhier(ud.clonedir)
            runfetchcmd(unpack, d, workdir=ud.clonedir)
            return
        import tempfile
        with tempfile.TemporaryDirectory(dir=d.getVar("DL_DIR")) as directory:
            runfetchcmd(unpack, d, workdir=directory)
            if "mirror" in self._git(ud, d, ["remote"], ud.clonedir).split():
                self._git(ud, d, ["remote", "rm", "mirror"], ud.clonedir)
            self._git(ud, d, ["remote", "add", "--mirror=fetch", "mirror", directory], ud.clonedir)
            self._git(ud, d, ["fetch", "-f", "--update-head-ok", "--progress", "mirror"], ud.clonedir,
                      extraenv=_PLAIN_LANGUAGE)

    def _is_clone(self, ud, d):
        """Whether the clone's directory is a repository; one that isn't is removed."""
        if not os.path.exists(ud.clonedir):
            return False
        try:
            top = self._git(ud, d, ["rev-parse", "--absolute-git-dir"], ud.clonedir, extraenv=_PLAIN_LANGUAGE).rstrip()
            if bb.utils.path_is_descendant(top, ud.clonedir):
                return True
            # git found a repository that this directory happens to be in.
            logger.warning("Top level directory '%s' is not a descendant of '%s'. Re-cloning", top, ud.clonedir)
        except FetchError as exc:
            logger.warning("Unable to get top level for %s (not a git directory?): %s", ud.clonedir, exc)
        except FileNotFoundError as exc:
            logger.warning("%s", exc)
        bb.utils.prunedir(ud.clonedir)
        return False

    @staticmethod
    def _local_path_of(url):
        """The path of a file:// URL, for git to make links; not if its objects are linked themselves."""
        if url.startswith("file://"):
            path = url[len("file://"):]
            objects = os.path.join(path, "objects")
            if os.path.isdir(objects) and not os.path.islink(objects):
                return path
        return url

    def _clone(self, ud, d, url):
        """Clone from upstream; False if that gave a shallow tarball instead."""
        command = ud.basecmd + ["clone", "--bare", "--mirror", url, ud.clonedir, "--progress"]
        if ud.proto.lower() != "file":
            bb.fetch2.check_network_access(d, command, ud.url)
        progress = GitProgressHandler(d)
        if ud.shallow and not ud.shallow_skip_fast:
            try:
                self.clone_shallow_with_tarball(ud, d)
                return False
            except Exception:
                logger.warning("Creating fast initial shallow clone failed, try initial regular clone now.")
        runfetchcmd(command, d, log=progress, extraenv=_PLAIN_LANGUAGE)
        return True

    def _update_clone(self, ud, d, url):
        """Fetch what is new upstream."""
        if "origin" in self._git(ud, d, ["remote"], ud.clonedir).split():
            self._git(ud, d, ["remote", "rm", "origin"], ud.clonedir)
        self._git(ud, d, ["remote", "add", "--mirror=fetch", "origin", url], ud.clonedir)
        refs = ["refs/*:refs/*"] if ud.nobranch else ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]
        command = ud.basecmd + ["fetch", "-f", "--progress", url] + refs
        if ud.proto.lower() != "file":
            bb.fetch2.check_network_access(d, command, ud.url)
        runfetchcmd(command, d, log=GitProgressHandler(d), workdir=ud.clonedir, extraenv=_PLAIN_LANGUAGE)
        for housekeeping in (["repack", "-adk"], ["pack-refs", "--all"], ["prune-packed"]):
            self._git(ud, d, housekeeping, ud.clonedir)
        try:
            # It lacks the new revisions now.
            os.unlink(ud.fullmirror)
        except FileNotFoundError:
            pass

    @contextmanager
    def create_atomic(self, filename):
        """A temporary name for a file that gets its own when it is complete."""
        import tempfile
        descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(filename))
        os.close(descriptor)
        try:
            yield partial
            mask = os.umask(0o022)
            os.umask(mask)
            os.chmod(partial, 0o666 & ~mask)
            os.rename(partial, filename)
        except BaseException:
            bb.utils.remove(partial)
            raise

    def build_mirror_data(self, ud, d):
        """Make the tarballs for other people's mirrors, if wanted."""
        if ud.shallow and ud.write_shallow_tarballs:
            if not os.path.exists(ud.fullshallow):
                self._remove_dangling(ud.fullshallow)
                self.clone_shallow_with_tarball(ud, d)
        elif self.tarball_need_update(ud):
            self._remove_dangling(ud.fullmirror)
            logger.info("Creating tarball of git repository")
            with self.create_atomic(ud.fullmirror) as partial:
                # The same clone gives the same tarball.
                newest = self._git(ud, d, ["log", "--all", "-1", "--format=%cD"], ud.clonedir)
                runfetchcmd(["tar", "-czf", partial, "--owner", "oe:0", "--group", "oe:0", "--mtime", newest, "."],
                            d, workdir=ud.clonedir)
            open(ud.fullmirror + ".done", "a").close()

    @staticmethod
    def _remove_dangling(path):
        if os.path.islink(path):
            os.unlink(path)

    def update_mirror_links(self, ud, origud):
        super().update_mirror_links(ud, origud)
        # The mirror may have had the shallow tarball, which is looked for by name.
        if origud.shallow and not os.path.exists(origud.fullshallow):
            self.ensure_symlink(ud.localpath, origud.fullshallow)

    def clean(self, ud, d):
        """Remove the clone and its tarballs."""
        paths = [ud.localpath, ud.fullmirror, ud.fullmirror + ".done"]
        if os.path.islink(ud.localpath):
            paths.append(os.path.realpath(ud.localpath))
        if ud.shallow:
            paths += [ud.fullshallow, ud.fullshallow + ".done"]
        for path in paths:
            if os.path.lexists(path):
                bb.note("Removing %s" % path)
                bb.utils.remove(path, True)

    # ---- unpacking

    def _destination(self, ud, root, d):
        """The directory of the checkout."""
        subdir = ud.parm.get("subdir")
        subpath = ud.parm.get("subpath")
        if subdir:
            default = ""
            if os.path.isabs(subdir) and not os.path.realpath(subdir).startswith(os.path.realpath(root)):
                raise UnpackError("subdir argument isn't a subdirectory of unpack root %s" % root, ud.url)
            root = os.path.join(root, subdir)
        elif subpath:
            default = os.path.basename(subpath.rstrip("/")) + "/"
        else:
            default = (d.getVar("BB_GIT_DEFAULT_DESTSUFFIX") or "git") + "/"
        return os.path.join(root, ud.parm.get("destsuffix", default))

    def unpack_update(self, ud, destdir, d):
        return self.unpack(ud, destdir, d, update=True)

    def unpack(self, ud, destdir, d, update=False):
        """Check out the wanted revision; `update` rebases the commits of an existing checkout."""
        ud.destdir = checkout = self._destination(ud, destdir, d)
        exists = os.path.exists(checkout)
        if exists and not update:
            bb.utils.prunedir(checkout)
            exists = False
        if not ud.bareclone:
            ud.unpack_tracer.unpack("git", checkout)
        # Git would replace large files itself, but has no network any more.
        env = {} if self._need_lfs(ud) else {"GIT_LFS_SKIP_SMUDGE": "1"}

        self._copy_source(ud, checkout, d, env, only_check=exists)
        if exists:
            self._rebase(ud, checkout, d, env)
            return True
        self._check_tag(ud, checkout, d, env)
        url = self._get_repo_url(ud)
        self._git(ud, d, ["remote", "set-url", "origin", url], checkout)
        self._add_download_remote(ud, checkout, d)
        if self._contains_lfs(ud, d, checkout):
            if self._need_lfs(ud):
                self._ensure_git_lfs(d, ud)
                self._git(ud, d, ["lfs", "install", "--local"], checkout)
            else:
                bb.note("Repository %s has LFS content but it is not being fetched" % url)
        if not ud.nocheckout:
            self._check_out(ud, checkout, d, env)
        return True

    def _copy_source(self, ud, checkout, d, env, only_check):
        """Make a repository of the clone or the shallow tarball."""
        if not self.clonedir_need_update(ud, d):
            if not only_check:
                self._git(ud, d, ["clone"] + ud.cloneflags + [ud.clonedir, checkout], extraenv=env)
            return
        problems = ["clone directory not available or not up to date: " + ud.clonedir]
        if not ud.shallow:
            problems.append("shallow clone not enabled")
        elif not os.path.exists(ud.fullshallow):
            problems.append("shallow clone not available: " + ud.fullshallow)
        else:
            if not only_check:
                bb.utils.mkdirhier(checkout)
                runfetchcmd(["tar", "-xzf", ud.fullshallow], d, workdir=checkout)
            return
        raise UnpackError("No up to date source found: " + "; ".join(problems), ud.url)

    def _add_download_remote(self, ud, checkout, d):
        """Name the clone in DL_DIR `dldir`, for developers without a network."""
        try:
            self._git(ud, d, ["remote", "get-url", "dldir"], checkout)
        except FetchError:
            self._git(ud, d, ["remote", "add", "dldir", "file://" + ud.clonedir], checkout)

    def _rebase(self, ud, checkout, d, env):
        """Put the commits of a checkout on top of the wanted revision."""
        if ud.shallow:
            raise UnpackError("Can't update shallow clones checkouts without network access, not supported.", ud.url)
        changes = self._git(ud, d, ["status", "--untracked-files=no", "--porcelain"], checkout, extraenv=env)
        if changes:
            raise LocalModificationsError(checkout, ud.url, changes)
        self._add_download_remote(ud, checkout, d)
        try:
            self._git(ud, d, ["fetch", "dldir"], checkout, extraenv=env)
        except FetchError as exc:
            raise UnpackError("Failed to fetch from dldir remote: %s" % exc, ud.url)
        try:
            self._git(ud, d, ["rebase", "--no-autosquash", "--no-autostash", ud.revision], checkout, extraenv=env)
        except FetchError as exc:
            try:
                self._git(ud, d, ["rebase", "--abort"], checkout)
            except FetchError:
                pass
            raise RebaseError(checkout, ud.url, str(exc))

    def _check_tag(self, ud, checkout, d, env):
        """A tag in the URL has to be the wanted revision."""
        tag = ud.parm.get("tag")
        if tag is None or not git_hash_re.match(ud.revision):
            return
        commit = self._git(ud, d, ["rev-list", "-n", "1", tag], checkout, extraenv=env).strip()
        if commit == ud.revision:
            return
        # The revision may be the tag object itself.
        if commit != self._git(ud, d, ["rev-list", "-n", "1", ud.revision], checkout).strip():
            raise FetchError("The revision the git tag '%s' resolved to didn't match the SRCREV in use (%s vs %s)"
                             % (tag, commit, ud.revision), ud.url)

    def _check_out(self, ud, checkout, d, env):
        """Put the files of the wanted revision into a repository."""
        subpath = ud.parm.get("subpath")
        if subpath:
            commands = [["read-tree", "%s:%s" % (ud.revision, subpath)],
                        ["checkout-index", "-q", "-f", "-a"],
                        ["update-ref", "--no-deref", "HEAD", ud.revision]]
            if not ud.nobranch:
                commands.append(["update-ref", "refs/heads/" + ud.branch, ud.revision])
        elif ud.nobranch:
            commands = [["checkout", ud.revision]]
        else:
            commands = [["checkout", "-B", ud.branch, ud.revision],
                        ["branch", ud.branch, "--set-upstream-to", "origin/" + ud.branch]]
        for command in commands:
            self._git(ud, d, command, checkout, extraenv=env)

    # ---- revisions

    def _revision_key(self, ud, d, name):
        return "git:" + ud.host + re.sub("/+", ".", ud.path) + ud.unresolvedrev

    def _lsremote(self, ud, d, search):
        """The references of the upstream repository, one a line: revision, blank, name."""
        # PATH may contain WORKDIR, that contains PV, and PV may be what we are
        # looking for. Whoever asks on this way doesn't need an answer.
        if d.getVar("_BB_GIT_IN_LSREMOTE", False):
            return ""
        d.setVar("_BB_GIT_IN_LSREMOTE", "1")
        try:
            url = self._get_repo_url(ud)
            command = ud.basecmd + ["ls-remote", url] + ([search] if search else [])
            if ud.proto.lower() != "file":
                bb.fetch2.check_network_access(d, command, url)
            output = runfetchcmd(command, d, True)
            if not output:
                raise FetchError("The command %s gave empty output unexpectedly" % command, ud.url)
            return output
        finally:
            d.delVar("_BB_GIT_IN_LSREMOTE")

    def _latest_revision(self, ud, d, name):
        """The revision that a branch or tag has upstream."""
        wanted = ud.unresolvedrev
        place = ud.host + ud.path
        if not d.getVar("__BBSRCREV_SEEN"):
            raise FetchError("Recipe uses a floating tag/branch '%s' for repo '%s' without a fixed SRCREV yet doesn't"
                             " call bb.fetch2.get_srcrev() (use SRCPV in PV for OE)." % (wanted, place))
        bb.fetch2.mark_recipe_nocache(d)
        references = dict(reversed(line.split()) for line in self._lsremote(ud, d, "").splitlines() if line)
        if ud.usehead or wanted.startswith("refs/"):
            candidates = [wanted, wanted + "^{}"]
        else:
            # ^{} is the commit that an annotated tag points to.
            candidates = ["refs/heads/" + wanted, "refs/tags/%s^{}" % wanted, "refs/tags/" + wanted]
        for candidate in candidates:
            if candidate in references:
                return references[candidate]
        raise FetchError("Unable to resolve '%s' in upstream git repository in git ls-remote output for %s"
                         % (wanted, place))

    def _build_revision(self, ud, d, name):
        return ud.revision

    def latest_versionstring(self, ud, d, filter_regex=None):
        try:
            output = self._lsremote(ud, d, "refs/tags/*")
        except (FetchError, NetworkAccess) as exc:
            bb.note("Could not list remote: %s" % exc)
            return "", ""
        tag_line = re.compile(r"([0-9a-f]{40,64})\s+refs/tags/(.*)")
        version_part = re.compile(d.getVar("UPSTREAM_CHECK_GITTAGREGEX") or r"(?P<pver>([0-9][\.|_]?)+)")
        best = "", ""
        for line in output.splitlines():
            match = tag_line.match(line)
            if not match or re.search("alpha|beta|rc|final", match.group(2)):
                continue
            found = version_part.search(match.group(2))
            if not found:
                continue
            version = found.group("pver").replace("_", ".")
            if filter_regex and not re.match(filter_regex, version):
                continue
            # Of equal versions the later line is the commit of an annotated tag.
            if not best[0] or bb.utils.vercmp(("0", version, ""), ("0", best[0], "")) >= 0:
                best = version, match.group(1)
        return best

    def gitpkgv_revision(self, ud, d, name):
        """(False, `COUNT+REVISION`) with the number of commits; (True, revision) without a clone."""
        revision = ud.revision
        if not os.path.exists(ud.localpath):
            return True, str(revision)
        # Counting takes its time, so the number is kept with the clone.
        path = os.path.join(ud.localpath, "oe-gitpkgv_" + revision)
        try:
            with open(path) as file:
                count = file.readline().strip()
        except FileNotFoundError:
            count = ""
        if not count:
            count = self._git(ud, d, ["rev-list", "--count", revision, "--"], ud.localpath).strip()
            with open(path, "w") as file:
                file.write(count + "\n")
        return False, "%s+%s" % (count, revision[:7])

    def checkstatus(self, fetch, ud, d):
        try:
            self._lsremote(ud, d, "")
            return True
        except FetchError:
            return False
