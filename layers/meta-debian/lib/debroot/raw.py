# SPDX-License-Identifier: Apache-2.0
"""debian/ for sources that have none, from the variables and functions of a BitBake recipe."""

import io
import os
import shlex

import bb

HERE = "/build/source"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")

RULES = r'''#!/usr/bin/make -f
# One script for each function of the recipe; what do_install put under debian/tmp is then divided among the packages.
EMPTY = $(addprefix -N,$(shell cat debian/rbake/empty 2>/dev/null))
%:
	dh $@
override_dh_auto_configure:
	sh -e debian/rbake/do_configure
override_dh_auto_build:
	sh -e debian/rbake/do_compile
override_dh_auto_test override_dh_auto_clean override_dh_missing override_dh_installsystemd override_dh_installinit:
override_dh_auto_install:
	rm -rf debian/tmp
	mkdir -p debian/tmp
	sh -e debian/rbake/do_install
	sh -e debian/rbake/split
override_dh_gencontrol:
	dh_gencontrol $(EMPTY)
override_dh_builddeb:
	dh_builddeb $(EMPTY)
'''

# Each file goes to the first package with a pattern for it; what nobody wants is an error.
SPLIT = r'''cd debian/tmp
give() {
    package=$1; shift
    for found do
        [ -e "$found" ] || [ -L "$found" ] || continue
        if [ -d "$found" ] && [ ! -L "$found" ]; then
            mkdir -p "../$package/$found"
            find "$found" -depth \( ! -type d -o -empty \) -print | while IFS= read -r path; do
                mkdir -p "../$package/${path%/*}"
                if [ -d "$path" ] && [ ! -L "$path" ]; then mkdir -p "../$package/$path"; else mv "$path" "../$package/$path"; fi
            done
        else
            mkdir -p "../$package/${found%/*}"
            mv "$found" "../$package/$found"
        fi
    done
}
'''

UNITS = {
    "postinst": '''if [ "$1" = configure ]; then
    systemctl enable -q {units} || true
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl restart {units}; fi
fi
''',
    "prerm": '''if [ "$1" = remove ]; then
    systemctl disable -q {units} || true
    if [ -d /run/systemd/system ]; then systemctl stop {units}; fi
fi
''',
}


def _put(tree, path, text, mode=0o644):
    path = os.path.join(tree, "debian", path)
    bb.utils.mkdirhier(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def _relations(d, variable, package, own):
    """The value of a variable such as RDEPENDS in debian/control's syntax."""
    text = d.getVar("%s:%s" % (variable, package)) or ""
    found = []
    for name, versions in bb.utils.explode_dep_versions2(text, sort=False).items():
        if name in own:
            found.append("%s (= ${binary:Version})" % name)
        else:
            found += ["%s (%s)" % (name, version) for version in versions] or [name]
    return found


def _long(text):
    """A description's lines (Debian Policy 5.6.13)."""
    lines = [" " + (line.strip() or ".") for line in text.strip().splitlines()]
    return "\n".join(lines)


def _control(d, packages):
    head = {
        "Source": d.getVar("BPN"), "Section": d.getVar("PACKAGE_SECTION"), "Priority": "optional",
        "Maintainer": d.getVar("MAINTAINER") or "rbake <rbake@localhost>", "Homepage": d.getVar("HOMEPAGE"),
        "Build-Depends": ", ".join(["debhelper-compat (= 13)", *filter(None, [(d.getVar("BUILD_DEPENDS") or "").strip().rstrip(",")])]),
        "Standards-Version": "4.6.2", "Rules-Requires-Root": "no",
    }
    blocks = [head]
    for package in packages:
        # OE's names: RDEPENDS of a package of the same recipe is bound to this very build.
        named = lambda variable: ", ".join(_relations(d, variable, package, packages))
        summary = d.getVar("SUMMARY:" + package) or d.getVar("SUMMARY")
        description = d.getVar("DESCRIPTION:" + package) or d.getVar("DESCRIPTION")
        blocks.append({
            "Package": package, "Architecture": "all" if d.getVar("PACKAGE_ARCH:" + package) == "all" else "any",
            "Depends": ", ".join(["${shlibs:Depends}", "${misc:Depends}", *_relations(d, "RDEPENDS", package, packages)]),
            "Recommends": named("RRECOMMENDS"), "Conflicts": named("RCONFLICTS"), "Replaces": named("RREPLACES"), "Provides": named("RPROVIDES"),
            "Description": summary + ("\n" + _long(description) if description and description != summary else ""),
        })
    return "\n".join("".join("%s: %s\n" % pair for pair in block.items() if pair[1]) for block in blocks)


def _functions(d, tree):
    """The recipe's functions as scripts that run in the root."""
    inside = bb.data.createCopy(d)
    for name, value in (("S", HERE), ("B", HERE), ("D", HERE + "/debian/tmp"), ("UNPACKDIR", "/build"), ("WORKDIR", "/build/work"),
                        ("T", "/build/work/temp"), ("LOGFIFO", "/build/work/none"), ("HOME", "/build"), ("TMPDIR", "/build/work")):
        inside.setVar(name, value)
    # Paths and settings of the host mean nothing in there; dpkg-buildpackage says how things are compiled.
    for name in ("PATH", "HOME", "SOURCE_DATE_EPOCH", "SHELL", "USER", "LOGNAME", "PWD"):
        inside.setVarFlag(name, "export", "")
    for function in ("do_configure", "do_compile", "do_install"):
        if inside.getVarFlag(function, "python", False):
            bb.fatal("%s of %s is a Python function; what builds packages has to be a shell function" % (function, d.getVar("PN")))
        out = io.StringIO()
        bb.data.emit_func(function, out, inside)
        _put(tree, "rbake/" + function, "cd %s\n%s\n%s\n" % (HERE, out.getvalue(), function), 0o755)


def _split(d, packages):
    lines = [SPLIT]
    for package in packages:
        patterns = (d.getVar("FILES:" + package) or "").split()
        # Patterns are the shell's, spaces in them are not.
        wanted = " ".join("." + "".join(c if c in "*?[]" else shlex.quote(c) for c in pattern) for pattern in patterns)
        lines.append("mkdir -p ../%s\n%s" % (package, "give %s %s\n" % (package, wanted) if wanted else ""))
    lines.append('left=$(find . ! -type d | sort)\n'
                 '[ -z "$left" ] || { echo "No package has FILES for:" >&2; echo "$left" >&2; exit 1; }\n'
                 'cd ../..\n: > debian/rbake/empty\n')
    for package in packages:
        if d.getVar("ALLOW_EMPTY:" + package) != "1":
            lines.append('[ -n "$(find debian/%s -mindepth 1 -print -quit)" ] || echo %s >> debian/rbake/empty\n' % (package, package))
    return "".join(lines)


def write(d, tree):
    """Write debian/ into the sources."""
    packages = (d.getVar("PACKAGES") or "").split()
    _put(tree, "control", _control(d, packages))
    _put(tree, "rules", RULES, 0o755)
    _put(tree, "source/format", "3.0 (native)\n")
    _put(tree, "rbake/split", _split(d, packages), 0o755)
    _put(tree, "copyright", "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: the authors\n"
                            "License: %s\n" % d.getVar("LICENSE"))
    _functions(d, tree)
    for package in packages:
        units = " ".join(map(shlex.quote, (d.getVar("SYSTEMD_SERVICE:" + package) or "").split()))
        for name in SCRIPTS:
            text = d.getVar("pkg_%s:%s" % (name, package)) or ""
            if units and name in UNITS:
                text += UNITS[name].format(units=units)
            if text.strip():
                body = text if text.startswith("#!") else "#!/bin/sh\nset -e\n" + text
                _put(tree, "%s.%s" % (package, name), body.rstrip("\n") + "\n#DEBHELPER#\n", 0o755)
        conffiles = (d.getVar("CONFFILES:" + package) or "").split()
        if conffiles:
            _put(tree, package + ".conffiles", "\n".join(conffiles) + "\n")
