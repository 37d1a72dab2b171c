"""What a Snapshot says: small questions that gates, decisions and conditions share."""
