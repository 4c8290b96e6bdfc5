# SPDX-License-Identifier: Apache-2.0
"""The exceptions of bb.asyncrpc by their other place."""

from bb.asyncrpc import ClientError, ConnectionClosedError, InvokeError, ServerError  # noqa: F401
