"""Snakemake, which asks Slurm for states every half a second; else it waits 20 s and more.

The command line is Snakemake's own. Jobs are not affected: they start Snakemake themselves.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(self: RemoteExecutor) -> None:
    await asyncio.sleep(0.5)


RemoteExecutor.sleep = _sleep
sys.exit(main())
