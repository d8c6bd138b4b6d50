"""How does a person ask the music service from a terminal?"""
