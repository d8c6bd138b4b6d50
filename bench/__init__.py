"""How well and how fast? Every figure in the documents comes from a command in this folder."""
