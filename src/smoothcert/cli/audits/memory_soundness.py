"""``smoothcert audit memory-soundness``: do certificates of input-dependent scales hold?"""
