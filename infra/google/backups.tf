# A bucket for backups: private, encrypted, and what is deleted can be recovered for a while.

locals {
  backups_storage  = google_storage_bucket.backups.name
  backups_identity = google_service_account.backups.email

  backup_keys = {
    "${local.store}-backup-keys" = {
      "access-key-id"     = google_storage_hmac_key.backups.access_id
      "secret-access-key" = google_storage_hmac_key.backups.secret
    }
  }
  storage_manifests = []
  backup_target = {
    s3 = {
      bucket                = google_storage_bucket.backups.name
      endpoint              = "https://storage.googleapis.com"
      region                = "auto"
      credentialsSecretName = "${local.store}-backup-keys"
    }
  }
}

resource "random_id" "backups" {
  byte_length = 3
}

resource "google_storage_bucket" "backups" {
  # checkov:skip=CKV_GCP_62:Cloud Audit Logs are the place for access logs; a bucket for them would need one too
  name                        = "${var.name}-backups-${random_id.backups.hex}"
  location                    = upper(var.region)
  storage_class               = "STANDARD"
  public_access_prevention    = "enforced"
  uniform_bucket_level_access = true
  force_destroy               = false

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.this.id
  }

  # The operator's retention deletes backups; this only ends how long that can be undone.
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.backup_days
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}
