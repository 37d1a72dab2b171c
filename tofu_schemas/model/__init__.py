"""What the bindings say about a schema, and what a configuration uses: computed without I/O."""
