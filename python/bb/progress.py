"""Progress of tasks: reading it from the output of commands, and reporting it in stages."""

import re
import time

import bb

# A control sequence as ECMA-48 defines it: CSI, parameters, intermediates, final.
_CONTROL_SEQUENCE = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")


def filter_color(string):
    """A text without terminal control sequences."""
    return _CONTROL_SEQUENCE.sub("", string)


def filter_color_n(string):
    """(text without terminal control sequences, how many there were)."""
    return _CONTROL_SEQUENCE.subn("", string)


class _Nowhere:
    """An output that is thrown away."""

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def write(self, string):
        return len(string)

    def flush(self):
        pass


class ProgressHandler:
    """An output file that watches what goes through it for progress.

    Derived classes override `write` and call `update`.
    """

    def __init__(self, d, outfile=None):
        self._data = d
        self._outfile = outfile or _Nowhere()
        self._progress = 0
        self._lastevent = 0

    def __enter__(self):
        self._outfile.__enter__()
        return self

    def __exit__(self, *excinfo):
        self._outfile.__exit__(*excinfo)

    def _fire_progress(self, taskprogress, rate=None):
        """Tell the world: a percentage, or a negative count if the total is unknown."""
        bb.event.fire(bb.build.TaskProgress(taskprogress, rate), self._data)

    def write(self, string):
        self._outfile.write(string)

    def flush(self):
        self._outfile.flush()

    def update(self, progress, rate=None):
        """Report a percentage, if it is news or the last report is over a second old."""
        now = time.time()
        progress = min(progress, 100)
        if progress != self._progress or now - self._lastevent > 1:
            self._fire_progress(progress, rate)
            self._lastevent = now
            self._progress = progress


class LineFilterProgressHandler(ProgressHandler):
    """Looks at the output by lines, and can keep some of them out of the log.

    Of a line that was overwritten with carriage returns only the last state
    counts.
    """

    def __init__(self, d, outfile=None):
        self._linebuffer = ""
        super().__init__(d, outfile)

    def write(self, string):
        self._linebuffer += string
        while True:
            # A lone carriage return ends a line only if no newline is there.
            end = self._linebuffer.find("\n") + 1 or self._linebuffer.find("\r") + 1
            if not end:
                return
            line, self._linebuffer = self._linebuffer[:end], self._linebuffer[end:]
            overwritten = line.rfind("\r") + 1
            if overwritten < end:
                line = line[overwritten:]
            if self.writeline(filter_color(line)):
                super().write(line)

    def writeline(self, line):
        """Look at a line; whether it belongs in the log."""
        return True


class BasicProgressHandler(ProgressHandler):
    """Takes the percentage from the first group of a regular expression."""

    def __init__(self, d, regex=r"(\d+)%", outfile=None):
        super().__init__(d, outfile)
        self._regex = re.compile(regex)
        self._fire_progress(0)

    def write(self, string):
        found = self._regex.findall(filter_color(string))
        if found:
            self.update(int(found[-1]))
        super().write(string)


class OutOfProgressHandler(ProgressHandler):
    """Takes `done` and `total` from the two groups of a regular expression."""

    def __init__(self, d, regex, outfile=None):
        super().__init__(d, outfile)
        self._regex = re.compile(regex)
        self._fire_progress(0)

    def write(self, string):
        found = self._regex.findall(filter_color(string))
        if found:
            done, total = found[-1][:2]
            self.update(float(done) / float(total) * 100)
        super().write(string)


class MultiStageProgressReporter:
    """Progress over several stages of different length.

    `stage_weights` are the relative durations of the stages. With `debug` the
    stages are timed, and `finish` prints weights that would fit.
    """

    def __init__(self, d, stage_weights, debug=False):
        total = sum(stage_weights)
        self._data = d
        self._stage_weights = [weight / total for weight in stage_weights]
        self._stage = -1
        self._stage_total = None
        self._base_progress = 0
        self._finished = False
        # (when a stage ended, which line started the next one), while timing.
        self._timing = [] if debug else None
        self._stage_began = time.time()
        self._fire_progress(0)

    def __enter__(self):
        return self

    def __exit__(self, *excinfo):
        pass

    def _fire_progress(self, taskprogress):
        bb.event.fire(bb.build.TaskProgress(taskprogress), self._data)

    def next_stage(self, stage_total=None):
        """Begin the first or next stage; `stage_total` is what `update` counts to."""
        self._stage += 1
        self._stage_total = stage_total
        if self._stage == 0:
            self._stage_began = time.time()
            return
        if self._timing is not None:
            self._note_stage("Up to %s:%d" % _calling_line())
        if self._stage < len(self._stage_weights):
            self._base_progress = sum(self._stage_weights[:self._stage]) * 100
        elif self._timing is None:
            bb.warn("ProgressReporter: current stage beyond declared number of stages")
            self._base_progress = 100
        self._fire_progress(self._base_progress)

    def update(self, stage_progress):
        """Report progress within the stage, of its total, or in percent if it has none."""
        if self._stage < 0:
            bb.warn("ProgressReporter: update called before first call to next_stage()")
            return
        if self._stage_total:
            stage_progress = stage_progress / self._stage_total * 100
        progress = self._base_progress
        if self._stage < len(self._stage_weights):
            progress += stage_progress * self._stage_weights[self._stage]
        if progress:
            self._fire_progress(min(progress, 100))

    def _note_stage(self, label):
        now = time.time()
        self._timing.append((now - self._stage_began, label))
        self._stage_began = now

    def finish(self):
        """End the last stage."""
        if self._finished:
            return
        self._finished = True
        if self._timing is None:
            return
        import math
        self._note_stage("Up to finish")
        unit = max(min(seconds for seconds, _ in self._timing), 0.01)
        weights = [math.ceil(seconds / unit) for seconds, _ in self._timing]
        bb.warn("Stage weights: %s" % weights)
        bb.warn("Stage times:\n  %s" % "\n  ".join("%s: %d" % (label, weight)
                                                   for (_, label), weight in zip(self._timing, weights)))


def _calling_line():
    """(file, line) of the code that called a method of this module."""
    import sys
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class MultiStageProcessProgressReporter(MultiStageProgressReporter):
    """Reports as Process events under a name, for steps that are no task."""

    def __init__(self, d, processname, stage_weights, debug=False):
        self._processname = processname
        self._started = False
        super().__init__(d, stage_weights, debug)

    def start(self):
        """Show the step, once."""
        if not self._started:
            self._started = True
            bb.event.fire(bb.event.ProcessStarted(self._processname, 100), self._data)

    def _fire_progress(self, taskprogress):
        if taskprogress == 0:
            self.start()
        else:
            bb.event.fire(bb.event.ProcessProgress(self._processname, taskprogress), self._data)

    def finish(self):
        super().finish()
        bb.event.fire(bb.event.ProcessFinished(self._processname), self._data)


class DummyMultiStageProcessProgressReporter(MultiStageProgressReporter):
    """Takes every call and reports nothing."""

    def __init__(self):
        super().__init__(None, [])

    def _fire_progress(self, taskprogress, rate=None):
        pass

    def start(self):
        pass

    def next_stage(self, stage_total=None):
        pass

    def update(self, stage_progress):
        pass

    def finish(self):
        pass
