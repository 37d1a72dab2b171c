"""The outbox: mails, sent once what they are about is committed."""
