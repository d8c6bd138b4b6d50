"""How do the real servers and services run on one machine without Docker?"""
