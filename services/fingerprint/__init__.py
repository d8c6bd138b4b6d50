"""How does a recording become a fingerprint?"""
