"""What runs on ``python -m tunescout``? The command line."""

from tunescout.main import app

if __name__ == "__main__":  # Worker processes import this file too.
    app(prog_name="tunescout")
