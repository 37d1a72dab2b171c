"""What a BookStore's status says: conditions, records, events. Pure."""
