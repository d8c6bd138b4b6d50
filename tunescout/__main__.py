"""What runs on ``python -m tunescout``? The command line."""

from tunescout.main import app

app(prog_name="tunescout")
