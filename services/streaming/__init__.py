"""I have a song's id: how does a listener hear it? Says `playback.started`."""
