# SPDX-License-Identifier: Apache-2.0
"""The client of a hash equivalence server, for metadata. The server itself is rbake's (rbake-hashserv)."""

import re

__version__ = "2.19.0"

_UNIHASH = re.compile("[0-9a-f]{64}")


def is_valid_unihash(value):
    """Whether something can be a unihash."""
    return isinstance(value, str) and _UNIHASH.fullmatch(value) is not None


def create_client(addr, username=None, password=None):
    """A client of the server at unix://PATH, HOST:PORT, ws://HOST[:PORT] or wss://HOST[:PORT], connected if it is a Unix socket."""
    from hashserv.client import Client

    client = Client(addr, username, password)
    if addr.startswith("unix://"):
        client.connect()
    return client
