# SPDX-License-Identifier: Apache-2.0
"""Configuration files: finding and reading them."""

import os

import bb
import bb.data
import bb.parse


def parse_config_file(fn, data, include=True):
    """Reads a configuration file."""
    return bb.parse.handle(fn, data, include, baseconfig=True)


def findConfigFile(configfile, data):
    """The file conf/NAME: along BBPATH, then in the working directory and above; None if it is nowhere."""
    folders = (data.getVar("BBPATH") or "").split(":")
    places = [os.path.join(folder, "conf", configfile) for folder in folders if folder]
    path = os.getcwd()
    while path != "/":
        places.append(os.path.join(path, "conf", configfile))
        path = os.path.dirname(path)
    return next((place for place in places if os.path.exists(place)), None)


def findTopdir():
    """The build directory: the one above conf/bblayers.conf, or else the working directory."""
    d = bb.data.init()
    if "BBPATH" in os.environ:
        d.setVar("BBPATH", os.environ["BBPATH"])
    layers = findConfigFile("bblayers.conf", d)
    return os.path.dirname(os.path.dirname(layers)) if layers else os.path.abspath(os.getcwd())
