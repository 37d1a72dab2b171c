"""The server that sends mails."""
