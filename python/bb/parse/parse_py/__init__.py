# SPDX-License-Identifier: Apache-2.0
"""The parsers of metadata files under the names that layers know."""

__version__ = "1.0"

from bb.parse.parse_py import BBHandler, ConfHandler
