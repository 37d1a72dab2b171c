"""The groups of fields of a BookStore's spec, one file per group."""
