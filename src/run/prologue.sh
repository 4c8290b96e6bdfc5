#!/bin/sh

# The line being executed, as far as the shell tells.
__BITBAKE_LAST_LINE=0

# Says on the way out that a command failed. Any shell.
bb_sh_exit_handler() {
    ret=$?
    if [ "$ret" -ne 0 ]; then
        echo "WARNING: exit code $ret from a shell command."
    fi
    exit $ret
}

# The same for bash, with the command and the functions around it.
bb_bash_exit_handler() {
    ret=$?
    { set +x; } > /dev/null
    trap "" DEBUG
    if [ "$ret" -ne 0 ]; then
        line=$__BITBAKE_LAST_LINE
        echo "WARNING: ${BASH_SOURCE[0]}:$line exit $ret from '$1'"
        echo "WARNING: Backtrace (BB generated script): "
        frame=1
        while [ "$frame" -lt "${#FUNCNAME[@]}" ]; do
            printf '\t#%s: %s, %s, line %s\n' "$frame" "${FUNCNAME[$frame]}" "${BASH_SOURCE[$((frame - 1))]}" "$line"
            line=${BASH_LINENO[$frame]}
            frame=$((frame + 1))
        done
    fi
    exit $ret
}

# Runs before each command of bash. At the end of a script it is called once more, with the first line.
bb_bash_debug_handler() {
    set -- "${BASH_LINENO[0]}" "${FUNCNAME[1]}"
    if [ "$1" -ne 1 ] && [ "$2" != bb_bash_exit_handler ]; then
        __BITBAKE_LAST_LINE=$1
    fi
}

if [ -z "$BASH_VERSION" ]; then
    trap bb_sh_exit_handler 0
    set -e
else
    trap 'bb_bash_exit_handler "$BASH_COMMAND"' 0
    trap '{ bb_bash_debug_handler; } 2>/dev/null' DEBUG
    set -e
    shopt -s extdebug
fi
