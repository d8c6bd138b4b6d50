"""What is in this audio file, and is it safe to open?"""
