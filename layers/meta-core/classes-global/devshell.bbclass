# do_devshell: a shell in B with the environment of the recipe's tasks, to try things by hand.
#
# Tasks have no terminal of their own. Inside tmux a window is opened and the task lasts as long as it; elsewhere
# the script to start is named.

DEVSHELL ?= "${@d.getVar('SHELL') or '/bin/sh'}"
DEVSHELL[doc] = "Shell that do_devshell starts."

addtask devshell after do_patch
do_devshell[doc] = "Opens a shell with the environment of the recipe's tasks."
do_devshell[nostamp] = "1"
do_devshell[dirs] = "${S} ${B}"
do_devshell[deptask] = "do_install"
python do_devshell () {
    import shlex
    import subprocess

    script = os.path.join(d.getVar("T"), "devshell")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n# The environment of %s, then a shell in it.\n" % d.getVar("PF"))
        for name in sorted(d.keys()):
            if bb.utils.to_boolean(d.getVarFlag(name, "export", False)) and name.isidentifier() and name != "PWD":
                value = d.getVar(name)
                if value is not None:
                    f.write("export %s=%s\n" % (name, shlex.quote(value)))
        f.write("cd %s && exec %s\n" % (shlex.quote(d.getVar("B")), d.getVar("DEVSHELL")))
    os.chmod(script, 0o755)

    user = d.getVar("BB_ORIGENV", False)
    tmux = user.getVar("TMUX", False) if user else None
    if not tmux:
        bb.plain("A shell in the environment of %s:\n  %s" % (d.getVar("PF"), script))
        return
    socket, session = tmux.split(",")[0], tmux.rsplit(",", 1)[-1]
    done = "%s-%d" % (d.getVar("PF"), os.getpid())
    command = "%s; tmux -S %s wait-for -S %s" % (shlex.quote(script), shlex.quote(socket), shlex.quote(done))
    subprocess.run(["tmux", "-S", socket, "new-window", "-t", "$%s:" % session, "-n", d.getVar("PN"), command], check=True)
    subprocess.run(["tmux", "-S", socket, "wait-for", done], check=True)
}
