"""The audit log: who of the staff changed what."""
