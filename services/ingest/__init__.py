"""I have an upload: is it a song, and a new one? Owns songs; decides on duplicates.

Hears `song.fingerprinted`, `song.fingerprint_failed`, `user.deleted`, and its own `song.duplicate_detected`,
`song.rejected` and `song.deleted`, to remove the bytes. Says everything that happens to a song.
"""
