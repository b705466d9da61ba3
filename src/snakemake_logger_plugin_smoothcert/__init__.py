"""A logger plugin of Snakemake: one line that moves, and what failed with the end of its log.

Snakemake finds it by the name of this package where smoothcert is installed
(``snakemake --logger smoothcert``; profiles/default chooses it for runs on this machine). Where its
output is no terminal, a line now and then. ``--verbose``, ``--printshellcmds``, ``--quiet`` and dry
runs say what Snakemake says without it; its own log (.snakemake/log) is whole either way.
"""

import re
import shutil
import sys
import threading
import time
from logging import LogRecord
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from smoothcert.workflow.progress import Job, Progress, failure

# What Snakemake says of every run, and what is said here in other words
_USUAL = re.compile(
    r"Assuming unrestricted|host: |Building DAG|Using shell|Conda env|Singularity cont"
    r"|Group jobs: in|Config file|Select jobs|Execute |Removing (temporary )?output|Complete log"
    r"|Elapsed time|Shutting down|RuleException:\s+CalledProcessError|Exiting because a job"
    r"|(WorkflowError:\s+)?At least one job"
)


class LogHandler(LogHandlerBase):
    """Shows what Snakemake tells of its jobs."""

    def __post_init__(self) -> None:
        asked = self.common_settings
        self.stream = sys.stdout if asked.stdout else sys.stderr
        self.text = ColorizingTextHandler(asked.nocolor, self.stream)
        self.text.setFormatter(DefaultFormatter(asked.quiet, asked.show_failed_logs))
        self.text.addFilter(
            DefaultFilter(
                asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds
            )
        )
        # Who asks for other words gets Snakemake's.
        self.plain = bool(
            asked.dryrun or asked.verbose or asked.debug_dag or asked.printshellcmds or asked.quiet
        )
        self.moves = self.stream.isatty()
        self.progress = Progress()
        self.shown = 0  # characters of the line that stands there
        self.said = 0.0  # when the last line was printed, where none moves
        self.guard = threading.RLock()
        self.ended = threading.Event()
        if not self.plain:
            threading.Thread(target=self._tick, daemon=True).start()

    def emit(self, record: LogRecord) -> None:
        try:
            with self.guard:
                if self.plain:
                    self.text.handle(record)
                elif not self._event(getattr(record, "event", None), vars(record)):
                    self._message(record)
        except BrokenPipeError:
            self.ended.set()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        with self.guard:
            if not self.ended.is_set() and not self.plain:
                self.ended.set()
                if closing := self.progress.closing():
                    self._print(closing)
        super().close()

    def _event(self, event: LogEvent | None, said: dict[str, Any]) -> bool:
        """Whether it was one of a job or of the run, which is counted."""
        match event:
            case LogEvent.RUN_INFO:
                self.progress.plan(said.get("stats") or {})
            case LogEvent.JOB_INFO:
                output, wildcards = said["output"], dict(said["wildcards"] or {})
                silent = bool(output) or not said["shellcmd"]
                job = Job(said["rule_name"], wildcards, [*map(_path, said["log"])], silent)
                self.progress.begin(said["jobid"], job)
            case LogEvent.JOB_FINISHED:
                self.progress.finish(said["job_id"])
            case LogEvent.JOB_ERROR:
                failed = self.progress.fail(said["jobid"])
                if failed is not None:
                    self._print(failure(failed))
            case None | LogEvent.ERROR | LogEvent.GROUP_ERROR:
                return False
        self._show()
        return True

    def _message(self, record: LogRecord) -> None:
        """What is no event of a job: as Snakemake says it, unless it says so every time."""
        text = record.getMessage().strip() if record.msg is not None else ""
        if _USUAL.match(text):
            return
        self._clear()
        self.text.handle(record)
        self._show()

    def _tick(self) -> None:
        while not self.ended.wait(1.0):
            with self.guard:
                if not self.ended.is_set():
                    self._show()

    def _show(self) -> None:
        """The line as it is now; where nothing can move, at most every half minute."""
        if self.moves:
            line = self.progress.line(shutil.get_terminal_size().columns - 1)
            if line or self.shown:
                self._clear()
                self.stream.write(line)
                self.stream.flush()
            self.shown = len(line)
            return
        # ever more seldom: a run of a day needs no thousand lines
        due = time.monotonic() - self.said >= max(30.0, self.progress.elapsed / 20)
        if due and (line := self.progress.line()):
            self.stream.write(f"{line}\n")
            self.stream.flush()
            self.said = time.monotonic()

    def _clear(self) -> None:
        if self.shown:
            self.stream.write(f"\r{'':{self.shown}}\r")
            self.shown = 0

    def _print(self, text: str) -> None:
        self._clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def _path(name: str) -> str:
    """A file's name without what Snakemake adds of its flags, such as `` (update)``."""
    return re.sub(r" \([a-z: ]+\)$", "", name)
