# The services of Google Cloud that are used. Destroying switches none off: others may use them.

resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry", "billingbudgets", "cloudkms", "compute", "container", "dns", "iam",
    "memorystore", "monitoring", "networkconnectivity", "servicenetworking", "sqladmin",
  ])

  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}
