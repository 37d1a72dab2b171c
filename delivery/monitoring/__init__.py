"""Monitoring as data: what is recorded, when somebody is called, and what dashboards show."""
