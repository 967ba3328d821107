"""List makers' own folder trees: in comes a configured source, out come the files to compile, categories settled."""
