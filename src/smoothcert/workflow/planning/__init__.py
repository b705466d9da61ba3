"""What a target costs before it runs: jobs, hours, disk, from a throughput measured here.

``measure`` times the parts of the work on a device, ``throughput`` is the file of what it found,
``jobs`` asks Snakemake what it would run, ``work`` counts what each job does, ``schedule`` puts
the jobs on devices, ``estimate`` brings these together and ``report`` prints it.
"""
