"""What does every process need: settings, logs, health, identity, and an orderly start and stop?"""
