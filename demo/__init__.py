"""The demo behind `make demo`: the whole product on a real cluster, with one command."""
