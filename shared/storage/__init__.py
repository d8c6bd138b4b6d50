"""Where does data stay? The ports `tables` and `blobs`, each with a cloud and a local adapter."""
