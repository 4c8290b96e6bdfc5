# SPDX-License-Identifier: Apache-2.0
"""Functions that metadata defines, and compiled code by its text."""

from bb.utils import better_compile, better_exec

compilecache = {}


def insert_method(modulename, code, fn, lineno):
    """Compiles code of a file and runs it in the global context. `lineno` is the line in front of its first one."""
    better_exec(better_compile(code, modulename, fn, lineno=lineno), None, code, fn)


def compile_cache(code):
    return compilecache.get(hash(code))


def compile_cache_add(code, compileobj):
    compilecache[hash(code)] = compileobj
