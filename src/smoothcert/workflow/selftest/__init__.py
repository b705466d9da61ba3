"""Does this device compute what the CPU does, in what is certified and in every run alike?

``place`` is where it is asked; ``same``, ``noise``, ``again`` ask, ``speed`` measures.
"""
