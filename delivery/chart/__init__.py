"""The Helm chart, computed from manifests/base: what is added there is in the chart, too."""
