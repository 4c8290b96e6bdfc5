"""`bb.utils`: the helper functions of BitBake metadata.

The functions live in small modules by subject; the table below says where.
A module is read when one of its names is first used, so `import bb.utils`
costs next to nothing.
"""

import importlib

_CONTENTS = {
    "words": "to_boolean to_filemode contains contains_any filter filter_string"
             " prune_suffix get_referenced_vars",
    "versions": "VersionStringException explode_version split_version vercmp_part vercmp"
                " vercmp_string vercmp_string_op is_semver",
    "depends": "explode_deps explode_dep_versions explode_dep_versions2 join_deps",
    "code": "clean_context get_context set_context better_compile better_exec simple_exec"
            " better_eval exec_flat_python_func _print_trace _print_exception",
    "locks": "fileslocked lockfile unlockfile lock_timeout lock_timeout_nocheck",
    "digests": "md5_file sha1_file sha256_file sha384_file sha512_file goh1_file _hasher",
    "environ": "preserved_envvars preserved_envvars_exported approved_variables"
               " filter_environment clean_environment empty_environment build_environment"
               " environment export_proxies check_system_locale",
    "files": "mkdirhier remove prunedir rename movefile copyfile break_hardlinks which umask"
             " mkstemp path_is_descendant is_path_on_nfs _check_unsafe_delete_path",
    "editing": "edit_metadata edit_metadata_file edit_bblayers_conf",
    "layers": "get_collection_res get_file_layer",
    "system": "cpu_count nonblockingfd ioprio_set signal_on_parent_exit set_process_name"
              " PrCtlError PR_SET_PDEATHSIG IOPRIO_WHO_PROCESS IOPRIO_CLASS_SHIFT"
              " disable_network enable_loopback_networking is_local_uid",
    "profiling": "profile_function process_profilelog",
    "plugins": "load_plugins LogCatcher python_extensions",
}

_home = {name: module for module, names in _CONTENTS.items() for name in names.split()}


def __getattr__(name):
    if name == "_context":
        # The globals of inline Python. Metadata adds modules to this very
        # dictionary, and may replace it, so it belongs to the package.
        value = importlib.import_module(__name__ + ".code").clean_context()
    elif name in _home:
        value = getattr(importlib.import_module("%s.%s" % (__name__, _home[name])), name)
    else:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_home, "_context"})
