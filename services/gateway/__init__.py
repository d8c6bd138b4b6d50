"""I have a client: what does it get? The one door to the outside.

Owns the history of questions. Asks the index by `query.submitted` and gathers the answers of its shards; says
`query.completed`. What it does not host itself it hands on to ingest, streaming and auth.
"""
