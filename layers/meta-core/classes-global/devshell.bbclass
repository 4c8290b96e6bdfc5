# do_devshell: a shell in S with the environment of the recipe's tasks, to try things by hand.
#
# Tasks have no terminal of their own. Inside tmux a window is opened; elsewhere the program that runs the tasks lends its own
# terminal. The task lasts as long as the shell.

DEVSHELL ?= "${@d.getVar('SHELL') or '/bin/sh'}"
DEVSHELL[doc] = "Shell that do_devshell starts."

# What a shell needs of the user's environment besides that of the tasks.
DEVSHELL_KEEP ?= "TERM COLORTERM DISPLAY WAYLAND_DISPLAY XAUTHORITY SSH_AUTH_SOCK LANG HOME USER LOGNAME"
DEVSHELL_KEEP[doc] = "Variables of the user's environment that the shell of do_devshell has, too."

addtask devshell after do_patch
do_devshell[doc] = "Opens a shell with the environment of the recipe's tasks."
do_devshell[nostamp] = "1"
do_devshell[dirs] = "${S} ${B}"
do_devshell[deptask] = "do_install"
# There is one terminal: one shell after the other.
do_devshell[lockfiles] = "${TMPDIR}/devshell.lock"
python do_devshell () {
    import shlex
    import subprocess

    script = os.path.join(d.getVar("T"), "devshell")
    devshell_script(d, script)
    user = d.getVar("BB_ORIGENV", False)
    tmux = user.getVar("TMUX", False) if user else None
    if tmux:
        socket, session = tmux.split(",")[0], tmux.rsplit(",", 1)[-1]
        done = "%s-%d" % (d.getVar("PF"), os.getpid())
        command = "%s; tmux -S %s wait-for -S %s" % (shlex.quote(script), shlex.quote(socket), shlex.quote(done))
        subprocess.run(["tmux", "-S", socket, "new-window", "-t", "$%s:" % session, "-n", d.getVar("PN"), command], check=True)
        subprocess.run(["tmux", "-S", socket, "wait-for", done], check=True)
        return
    problem = devshell_borrow(d, script)
    if problem:
        bb.fatal("No shell can be opened: %s. In a terminal this starts it:\n  %s" % (problem, script))
}

# Writes the script that becomes the shell.
def devshell_script(d, script):
    import shlex

    kept = (d.getVar("DEVSHELL_KEEP") or "").split()
    values = {}
    for name in sorted(d.keys()):
        if bb.utils.to_boolean(d.getVarFlag(name, "export", False)) and name.isidentifier() and name != "PWD":
            value = d.getVar(name)
            if value is not None:
                values[name] = value
    with open(script, "w") as f:
        f.write("#!/bin/sh\n# The environment of %s, then a shell in it.\n" % d.getVar("PF"))
        # What tasks don't see must not be seen here either.
        f.write("[ -n \"$DEVSHELL_CLEAN\" ] || exec env -i DEVSHELL_CLEAN=1 %s \"$0\"\nunset DEVSHELL_CLEAN\n"
                % " ".join("${%s+%s=\"$%s\"}" % (name, name, name) for name in kept if name.isidentifier()))
        for name, value in values.items():
            f.write("export %s=%s\n" % (name, shlex.quote(value)))
        f.write("echo %s\n" % shlex.quote("The shell of %s; `exit` leaves it." % d.getVar("PF")))
        f.write("cd %s && exec %s\n" % (shlex.quote(d.getVar("S")), d.getVar("DEVSHELL")))
    os.chmod(script, 0o755)

# Asks who runs the tasks for the terminal, and waits for the end of the shell; what is in the way, or None.
def devshell_borrow(d, script):
    import time

    answer = os.path.join(d.getVar("T"), "devshell.%d" % os.getpid())
    bb.utils.remove(answer)
    bb.event.fire(bb.event.MetadataEvent("TerminalWanted", {"script": script, "answer": answer}), d)

    def state():
        try:
            with open(answer) as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    try:
        # Not every user interface knows the question.
        patience = time.monotonic() + 5
        while not state():
            if time.monotonic() > patience:
                return "what runs the tasks has no terminal to lend"
            time.sleep(0.05)
        while state() == "open":
            time.sleep(0.1)
        word, _, reason = state().partition(" ")
        return reason if word == "refused" else None
    finally:
        bb.utils.remove(answer)
