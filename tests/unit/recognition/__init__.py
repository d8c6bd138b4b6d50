"""Are songs found by their sound, and only those that are there?"""
