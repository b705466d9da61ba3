"""The workflow: configuration, runs, specifications of jobs, the catalogue, planning."""
