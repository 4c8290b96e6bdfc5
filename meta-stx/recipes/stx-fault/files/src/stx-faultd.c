// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps alarms in a database and answers requests on a local socket.
 *
 *     stx-faultd SOCKET DATABASE
 *
 * A client sends one line, reads the answer up to the end, and is done. Fields are divided by tabs:
 *
 *     raise  ID  ENTITY  SEVERITY  TEXT     -> ok
 *     clear  ID  ENTITY                     -> ok | error: ...
 *     list                                  -> one line for each alarm: ID ENTITY SEVERITY SINCE TEXT
 *
 * An alarm is known by ID and ENTITY; raising it again replaces severity and text and keeps the time.
 */
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, FIELDS = 5 };

static const char *const SEVERITIES[] = { "critical", "major", "minor", "warning" };
static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	(void)signal;
	stopping = 1;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "stx-faultd: %s: %s\n", what, why);
	exit(1);
}

/* Executes a statement whose parameters are the given texts; calls `row` for each row. Returns the number of rows changed, or -1. */
static int execute(sqlite3 *database, void (*row)(sqlite3_stmt *, int), int client, const char *sql, int count, const char *const *values)
{
	sqlite3_stmt *statement;
	int status;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	for (int at = 0; at < count; at++)
		sqlite3_bind_text(statement, at + 1, values[at], -1, SQLITE_STATIC);
	while ((status = sqlite3_step(statement)) == SQLITE_ROW)
		if (row)
			row(statement, client);
	sqlite3_finalize(statement);
	return status == SQLITE_DONE ? sqlite3_changes(database) : -1;
}

__attribute__((format(printf, 2, 3)))
static void answer(int client, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	/* A client that is gone needs no answer. */
	vdprintf(client, format, arguments);
	va_end(arguments);
}

static void tell(sqlite3_stmt *statement, int client)
{
	answer(client, "%s\t%s\t%s\t%s\t%s\n", sqlite3_column_text(statement, 0), sqlite3_column_text(statement, 1),
	       sqlite3_column_text(statement, 2), sqlite3_column_text(statement, 3), sqlite3_column_text(statement, 4));
}

static int known_severity(const char *word)
{
	for (size_t at = 0; at < sizeof SEVERITIES / sizeof *SEVERITIES; at++)
		if (!strcmp(word, SEVERITIES[at]))
			return 1;
	return 0;
}

static void serve(sqlite3 *database, int client, char *line)
{
	const char *field[FIELDS] = { NULL };
	int count = 0;

	for (char *word; count < FIELDS && (word = strsep(&line, count < FIELDS - 1 ? "\t" : "")) != NULL;)
		field[count++] = word;
	if (count == 5 && !strcmp(field[0], "raise") && *field[1] && *field[2]) {
		if (!known_severity(field[3])) {
			answer(client, "error: '%s' is none of critical, major, minor, warning\n", field[3]);
			return;
		}
		int done = execute(database, NULL, client,
				   "INSERT INTO alarm (id, entity, severity, text, since) VALUES (?, ?, ?, ?, datetime('now'))"
				   " ON CONFLICT (id, entity) DO UPDATE SET severity = excluded.severity, text = excluded.text",
				   4, field + 1);
		answer(client, done < 0 ? "error: %s\n" : "ok\n", sqlite3_errmsg(database));
	} else if (count == 3 && !strcmp(field[0], "clear")) {
		int done = execute(database, NULL, client, "DELETE FROM alarm WHERE id = ? AND entity = ?", 2, field + 1);
		if (done < 0)
			answer(client, "error: %s\n", sqlite3_errmsg(database));
		else
			answer(client, done ? "ok\n" : "error: there is no alarm %s of %s\n", field[1], field[2]);
	} else if (count == 1 && !strcmp(field[0], "list")) {
		execute(database, tell, client, "SELECT id, entity, severity, since, text FROM alarm ORDER BY since, id, entity", 0, NULL);
	} else {
		answer(client, "error: a request is raise, clear or list\n");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sigaction action = { .sa_handler = stop };
	sqlite3 *database;
	int listening;

	if (argc != 3) {
		fprintf(stderr, "usage: stx-faultd SOCKET DATABASE\n");
		return 2;
	}
	if (strlen(argv[1]) >= sizeof address.sun_path)
		fail(argv[1], strerror(ENAMETOOLONG));
	strcpy(address.sun_path, argv[1]);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	if (sqlite3_open(argv[2], &database) != SQLITE_OK)
		fail(argv[2], sqlite3_errmsg(database));
	if (execute(database, NULL, -1,
		    "CREATE TABLE IF NOT EXISTS alarm (id TEXT, entity TEXT, severity TEXT, text TEXT, since TEXT, PRIMARY KEY (id, entity))", 0, NULL) < 0)
		fail(argv[2], sqlite3_errmsg(database));

	unlink(argv[1]);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) || chmod(argv[1], 0660) || listen(listening, 16))
		fail(argv[1], strerror(errno));
	/* For whoever started it: requests are answered from now on. */
	puts("ready");
	fflush(stdout);

	while (!stopping) {
		char line[LINE_SIZE];
		size_t length = 0;
		struct timeval patience = { .tv_sec = 5 };
		int client = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			continue;
		/* One client that says nothing must not keep the others waiting for ever. */
		setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		for (ssize_t got; length < sizeof line - 1 && !memchr(line, '\n', length); length += (size_t)got)
			if ((got = read(client, line + length, sizeof line - 1 - length)) <= 0)
				break;
		char *end = memchr(line, '\n', length);
		if (end) {
			*end = '\0';
			if (strlen(line) == (size_t)(end - line))
				serve(database, client, line);
		} else if (length == sizeof line - 1) {
			answer(client, "error: a request has at most %d bytes\n", LINE_SIZE - 1);
		}
		close(client);
	}
	close(listening);
	unlink(argv[1]);
	sqlite3_close(database);
	return 0;
}
