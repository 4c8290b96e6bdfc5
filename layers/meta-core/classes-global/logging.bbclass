# Messages from shell tasks, named like their Python twins: bb.note and bbnote.
#
#   bbplain TEXT     to the terminal as it is          bbwarn TEXT       a warning
#   bbnote TEXT      to the log, to the terminal -v    bberror TEXT      an error; the task goes on, the build fails
#   bbverbnote TEXT  to log and terminal               bbfatal TEXT      an error that ends the task
#   bbdebug N TEXT   to the log at -D                  bbfatal_log TEXT  the same, and shows the task's log
#
# The engine reads the pipe LOGFIFO: a word, a blank, the text, a NUL. Where there is no pipe (a run file started by
# hand) the text goes to standard output.

bb_message () {
	if [ -p "${LOGFIFO}" ]; then
		printf '%s %s\0' "$1" "$3" > "${LOGFIFO}"
	else
		printf '%s%s\n' "$2" "$3"
	fi
}

bbplain () {
	bb_message bbplain "" "$*"
}

bbnote () {
	bb_message bbnote "NOTE: " "$*"
}

bbverbnote () {
	bb_message bbverbnote "NOTE: " "$*"
}

bbwarn () {
	bb_message bbwarn "WARNING: " "$*"
}

bberror () {
	bb_message bberror "ERROR: " "$*"
}

bbfatal () {
	bb_message bbfatal "ERROR: " "$*"
	exit 1
}

bbfatal_log () {
	bb_message bbfatal_log "ERROR: " "$*"
	exit 1
}

# The level is the pipe's first word, so it travels as part of the text.
bbdebug () {
	if [ $# -lt 2 ]; then
		bbfatal "Usage: bbdebug LEVEL TEXT"
	fi
	bb_message bbdebug "DEBUG: " "$*"
}
