# A bucket for backups: private, encrypted, and what is deleted can be recovered for a while.

locals {
  backups_storage  = aws_s3_bucket.backups.bucket
  backups_identity = aws_iam_role.backups.arn

  # No keys: the Pods' workload identity is used.
  backup_keys       = {}
  storage_manifests = []
  backup_target = {
    s3 = { bucket = aws_s3_bucket.backups.bucket, region = var.region, virtualHost = true }
  }
}

resource "aws_s3_bucket" "backups" {
  # checkov:skip=CKV_AWS_18:The account's CloudTrail is the place for access logs; a bucket for them would need one too
  # checkov:skip=CKV_AWS_144:A copy in another region costs as much again: a decision for each company
  # checkov:skip=CKV2_AWS_62:Nothing listens for events of this bucket
  bucket_prefix = "${var.name}-backups-"
}

resource "aws_s3_bucket_versioning" "backups" {
  bucket = aws_s3_bucket.backups.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "backups" {
  bucket = aws_s3_bucket.backups.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id

  # The operator's retention deletes backups; this only ends how long that can be undone.
  rule {
    id     = "deleted"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.backup_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.backups]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.backups.arn, "${aws_s3_bucket.backups.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "backups" {
  bucket = aws_s3_bucket.backups.id
  policy = data.aws_iam_policy_document.bucket.json
}
