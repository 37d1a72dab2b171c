"""The groups of fields of a BookStore's spec, a file each."""
