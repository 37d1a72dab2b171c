"""From commit to production: the Helm chart, and deployments that are checked and undone."""
