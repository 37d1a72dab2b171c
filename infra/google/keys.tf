# One key encrypts all that is stored: database, cache, backups, images, Secrets in etcd, disks.

locals {
  # The services that use it, each by an account of its own in this project, which must exist:
  # docs/how-to/clouds.md has the command.
  key_users = {
    artifacts = "service-${data.google_project.this.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    cache     = "service-${data.google_project.this.number}@gcp-sa-memorystore.iam.gserviceaccount.com"
    cluster   = "service-${data.google_project.this.number}@container-engine-robot.iam.gserviceaccount.com"
    database  = "service-${data.google_project.this.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    disks     = "service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com"
    storage   = data.google_storage_project_service_account.this.email_address
  }
}

# Key rings can't be deleted, so a name can't be used again.
resource "random_id" "key_ring" {
  byte_length = 3
}

resource "google_kms_key_ring" "this" {
  name     = "${var.name}-${random_id.key_ring.hex}"
  location = var.region

  depends_on = [google_project_service.this]
}

resource "google_kms_crypto_key" "this" {
  name            = "everything"
  key_ring        = google_kms_key_ring.this.id
  rotation_period = "7776000s" # 90 days

  lifecycle {
    # Without it nothing that is stored can be read.
    prevent_destroy = true
  }
}

data "google_storage_project_service_account" "this" {}

resource "google_kms_crypto_key_iam_member" "this" {
  for_each = local.key_users

  crypto_key_id = google_kms_crypto_key.this.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
