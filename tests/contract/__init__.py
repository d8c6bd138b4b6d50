"""Do both implementations of a port, and every published document, keep what was promised?"""
