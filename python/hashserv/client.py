# SPDX-License-Identifier: Apache-2.0
"""Requests to a hash equivalence server."""

import json
import logging

from bb.asyncrpc import ConnectionClosedError, InvokeError
from hashserv.connection import MAX_CHUNK, connect

logger = logging.getLogger("hashserv.client")

# Questions on their way at once: few enough that sockets hold them.
_IN_FLIGHT = 256
_RETRIES = 3


class Client:
    """A client; it connects when it first asks, and again when the connection breaks."""

    def __init__(self, address, username=None, password=None):
        self.address = address
        self.username = username
        self.password = password
        self.max_chunk = MAX_CHUNK
        self._channel = None
        self._stream = None
        self._become = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        return False

    # --- the connection

    def connect(self):
        if self._channel is not None:
            return
        self._stream = None
        self._channel = connect(self.address, self.max_chunk)
        for line in ("OEHASHEQUIV 1.1", "needs-headers: false", ""):
            self._channel.say(line)
        if self.username:
            self._exchange({"auth": {"username": self.username, "token": self.password}})
            if self._become:
                self._exchange({"become-user": {"username": self._become}})

    def disconnect(self):
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    close = disconnect

    def _exchange(self, message):
        self._channel.say_message(message)
        answer = self._channel.hear_message()
        if isinstance(answer, dict) and "invoke-error" in answer:
            raise InvokeError(answer["invoke-error"]["message"])
        return answer

    def _set_stream(self, command):
        if self._stream == command:
            return
        if self._stream is not None:
            self._channel.say("END")
            answer = self._channel.hear()
            if answer != "ok":
                raise ConnectionError("Bad response from server %r" % answer)
            self._stream = None
        if command is not None:
            answer = self._exchange({command: None})
            if answer != "ok":
                raise ConnectionError("Bad response from server %r" % answer)
            self._stream = command

    def _persist(self, attempt):
        for left in range(_RETRIES, -1, -1):
            try:
                self.connect()
                return attempt()
            except InvokeError:
                self.disconnect()
                raise
            except (OSError, ConnectionClosedError, ValueError) as exc:
                self.disconnect()
                logger.warning("Error talking to server: %s", exc)
                if not left:
                    if isinstance(exc, ConnectionError):
                        raise
                    raise ConnectionError(str(exc)) from exc

    def invoke(self, message):
        def attempt():
            self._set_stream(None)
            return self._exchange(message)

        return self._persist(attempt)

    def _ask_stream(self, command, lines):
        lines = list(lines)
        answers = []

        def attempt():
            self._set_stream(command)
            said = len(answers)
            while len(answers) < len(lines):
                while said < len(lines) and said - len(answers) < _IN_FLIGHT:
                    self._channel.say(lines[said])
                    said += 1
                answers.append(self._channel.hear())
            return answers

        return self._persist(attempt) if lines else answers

    # --- hashes

    def ping(self):
        return self.invoke({"ping": {}})

    def get_unihash(self, method, taskhash):
        return self.get_unihash_batch([(method, taskhash)])[0]

    def get_unihash_batch(self, args):
        answers = self._ask_stream("get-stream", ("%s %s" % (method, taskhash) for method, taskhash in args))
        return [answer or None for answer in answers]

    def unihash_exists(self, unihash):
        return self.unihash_exists_batch([unihash])[0]

    def unihash_exists_batch(self, unihashes):
        return [answer == "true" for answer in self._ask_stream("exists-stream", unihashes)]

    def report_unihash(self, taskhash, method, outhash, unihash, extra={}):
        return self.invoke({"report": {**extra, "taskhash": taskhash, "method": method, "outhash": outhash, "unihash": unihash}})

    def report_unihash_equiv(self, taskhash, method, unihash, extra={}):
        return self.invoke({"report-equiv": {**extra, "taskhash": taskhash, "method": method, "unihash": unihash}})

    def get_taskhash(self, method, taskhash, all_properties=False):
        return self.invoke({"get": {"taskhash": taskhash, "method": method, "all": all_properties}})

    def get_outhash(self, method, outhash, taskhash, with_unihash=True):
        return self.invoke({"get-outhash": {"outhash": outhash, "taskhash": taskhash, "method": method,
                                            "with_unihash": with_unihash}})

    # --- the database

    def get_stats(self):
        return self.invoke({"get-stats": None})

    def reset_stats(self):
        return self.invoke({"reset-stats": None})

    def backfill_wait(self):
        return self.invoke({"backfill-wait": None})["tasks"]

    def remove(self, where):
        return self.invoke({"remove": {"where": where}})

    def clean_unused(self, max_age):
        return self.invoke({"clean-unused": {"max_age_seconds": max_age}})

    def get_db_usage(self):
        return self.invoke({"get-db-usage": {}})["usage"]

    def get_db_query_columns(self):
        return self.invoke({"get-db-query-columns": {}})["columns"]

    def gc_status(self):
        return self.invoke({"gc-status": {}})

    def gc_mark(self, mark, where):
        return self.invoke({"gc-mark": {"mark": mark, "where": where}})

    def gc_mark_stream(self, mark, rows):
        """Marks rows given as texts of columns and values, such as "unihash 012… method M"."""
        def line(row):
            words = row.split()
            return json.dumps({"mark": mark, "where": dict(zip(words[::2], words[1::2]))})

        answers = self._ask_stream("gc-mark-stream", map(line, rows))
        return {"count": sum(int(json.loads(answer)["count"]) for answer in answers)}

    def gc_sweep(self, mark):
        return self.invoke({"gc-sweep": {"mark": mark}})

    # --- users

    def auth(self, username, token):
        answer = self.invoke({"auth": {"username": username, "token": token}})
        self.username, self.password, self._become = username, token, None
        return answer

    def refresh_token(self, username=None):
        answer = self.invoke({"refresh-token": {"username": username} if username else {}})
        if self.username and not self._become and answer["username"] == self.username:
            self.password = answer["token"]
        return answer

    def set_user_perms(self, username, permissions):
        return self.invoke({"set-user-perms": {"username": username, "permissions": permissions}})

    def get_user(self, username=None):
        return self.invoke({"get-user": {"username": username} if username else {}})

    def get_all_users(self):
        return self.invoke({"get-all-users": {}})["users"]

    def new_user(self, username, permissions):
        return self.invoke({"new-user": {"username": username, "permissions": permissions}})

    def delete_user(self, username):
        return self.invoke({"delete-user": {"username": username}})

    def become_user(self, username):
        answer = self.invoke({"become-user": {"username": username}})
        self._become = None if username == self.username else username
        return answer
