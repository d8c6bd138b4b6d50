"""Which song is a clip from, and which songs are the same recording?"""
