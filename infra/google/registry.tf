# A registry for the images, scanned when they are pushed.

locals {
  registry_host  = "${var.region}-docker.pkg.dev"
  registry_url   = "${local.registry_host}/${var.account}/${google_artifact_registry_repository.this.repository_id}"
  registry_login = "gcloud auth configure-docker ${local.registry_host}"
}

resource "google_artifact_registry_repository" "this" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = google_kms_crypto_key.this.id

  docker_config {
    immutable_tags = true
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  cleanup_policies {
    id     = "untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}
