# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in talking to a server, by the names that metadata catches."""


class ClientError(Exception):
    """The client sent what the server does not understand."""


class InvokeError(Exception):
    """The server refuses the request."""


class ServerError(Exception):
    """The server cannot be started."""


class ConnectionClosedError(Exception):
    """The server hung up."""
