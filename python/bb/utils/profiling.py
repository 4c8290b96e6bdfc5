"""Running code under the profiler, and its reports."""

import logging

logger = logging.getLogger("BitBake.Util")


def profile_function(profile, function, output_fn, process=True):
    """Call `function`, under the profiler if `profile`; returns its result.

    The data goes to `output_fn`, with `process` also as readable reports.
    """
    if not profile:
        return function()
    import cProfile

    profiler = cProfile.Profile()
    result = profiler.runcall(function)
    profiler.dump_stats(output_fn)
    if process:
        process_profilelog(output_fn)
        logger.info("Raw profiling information saved to %s and processed statistics to %s.report*",
                    output_fn, output_fn)
    return result


def process_profilelog(fn, fn_out=None):
    """Write the four reports of one profile, or of several taken together.

    `fn` is a path or a list of them; a list needs `fn_out`, the beginning of
    the reports' names.
    """
    import pstats

    paths = fn if isinstance(fn, list) else [fn]
    stem = fn_out or paths[0] + ".report"
    for order in ("time", "cumulative"):
        for suffix, show in (("", pstats.Stats.print_stats), ("-callers", pstats.Stats.print_callers)):
            with open("%s.%s%s" % (stem, order, suffix), "w") as report:
                show(pstats.Stats(*paths, stream=report).sort_stats(order))
