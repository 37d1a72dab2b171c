"""A BookStore's status: conditions, records, events. Pure."""
