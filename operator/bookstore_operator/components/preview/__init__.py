"""The preview: a Service that reaches a release before users do."""
