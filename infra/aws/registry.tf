# A registry for the images, scanned when they are pushed.

locals {
  registry_host  = "${var.account}.dkr.ecr.${var.region}.amazonaws.com"
  registry_url   = "${local.registry_host}/${var.name}"
  registry_login = "aws ecr get-login-password --region ${var.region} | docker login --username AWS --password-stdin ${local.registry_host}"
}

resource "aws_ecr_repository" "this" {
  for_each = toset(["bookstore-api", "bookstore-operator", "bookstore-backup"])

  name                 = "${var.name}/${each.value}"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Images without a tag"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}
