# Who may do what: the cluster's nodes, and the BookStore's Pods.

locals {
  service_account_annotations = { "iam.gke.io/gcp-service-account" = google_service_account.backups.email }
  pod_labels                  = {}
}

resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "${var.name}: nodes of the cluster"
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount"])

  project = var.account
  role    = each.value
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  location   = google_artifact_registry_repository.this.location
  repository = google_artifact_registry_repository.this.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}

resource "google_service_account" "backups" {
  account_id   = "${var.name}-backups"
  display_name = "${var.name}: the BookStore's Pods, for backups"
}

# Workload identity: one ServiceAccount of the cluster is this account, and no other.
resource "google_service_account_iam_member" "backups" {
  service_account_id = google_service_account.backups.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${google_container_cluster.this.workload_identity_config[0].workload_pool}[${var.bookstore.namespace}/${local.store}]"
}

resource "google_storage_bucket_iam_member" "backups" {
  bucket = google_storage_bucket.backups.name
  role   = "roles/storage.objectUser"
  member = google_service_account.backups.member
}

# The backup tool speaks S3, which Google Cloud Storage answers for keys of this kind only.
resource "google_storage_hmac_key" "backups" {
  service_account_email = google_service_account.backups.email
}
