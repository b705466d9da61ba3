"""A logger plugin of Snakemake: the jobs of a dry run, one JSON object a line.

Snakemake finds it by the name of its folder, where that folder's parent is in PYTHONPATH:
``snakemake --dry-run --logger joblist --logger-joblist-out FILE``.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    out: Optional[str] = field(  # noqa: UP045 (Snakemake reads the annotation)
        default=None, metadata={"help": "File that the jobs are written to", "required": True}
    )


class LogHandler(LogHandlerBase):
    """Writes what Snakemake says of each job before it would run it."""

    def __post_init__(self) -> None:
        assert isinstance(self.settings, LogHandlerSettings)
        assert self.settings.out is not None
        self.file = Path(self.settings.out).open("w", encoding="utf-8")  # noqa: SIM115

    def emit(self, record: LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            said = vars(record)
            job = {
                "rule": said["rule_name"],
                "wildcards": dict(said["wildcards"] or {}),
                "input": list(said["input"]),
                "output": list(said["output"]),
                "reason": said["reason"],
                "threads": said["threads"],
                "resources": {k: v for k, v in said["resources"].items() if plain(v)},
                "shell": said["shellcmd"],
            }
            self.file.write(json.dumps(job) + "\n")

    def close(self) -> None:
        self.file.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return False

    @property
    def writes_to_file(self) -> bool:
        return False  # of a log: this would have Snakemake announce it as one

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def plain(value: Any) -> bool:
    """Whether a resource is a number, not a text that Snakemake chooses when the job runs."""
    return isinstance(value, int | float)
