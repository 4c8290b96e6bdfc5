SUMMARY = "Messages of every kind from a shell task"
do_compile () {
	bbplain "plain: \t and %s and 100%"
	bbnote "a note"
	bbverbnote "a verbose note"
	bbwarn "a warning"
	bbdebug 1 "a debug line"
	bberror "an error"
	bbfatal "a fatal error"
}
