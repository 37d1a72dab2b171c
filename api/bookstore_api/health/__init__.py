"""Is this process alive, is it ready, how are those it depends on? The internal port's answers.

finding.py   what a check finds
probe.py     runs one check for many who ask: cached, limited in time, never twice at once
checks.py    the checks: database with its schema, Redis, disk
report.py    what is answered
"""

from bookstore_api.health.report import Health

__all__ = ["Health"]
