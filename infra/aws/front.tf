# How users get in: fixed addresses for the load balancer of an ingress controller, and their names.

locals {
  load_balancer_addresses = aws_eip.load_balancer[*].public_ip
  load_balancer_annotations = {
    "service.beta.kubernetes.io/aws-load-balancer-type"            = "nlb"
    "service.beta.kubernetes.io/aws-load-balancer-eip-allocations" = join(",", aws_eip.load_balancer[*].id)
  }

  name_servers = flatten(aws_route53_zone.this[*].name_servers)
}

# One for each public subnet, as a network load balancer wants them.
resource "aws_eip" "load_balancer" {
  # checkov:skip=CKV2_AWS_19:The load balancer that Kubernetes creates takes them
  count = 3

  domain = "vpc"

  tags = { Name = "${var.name}-load-balancer-${count.index}" }
}

resource "aws_route53_zone" "this" {
  # checkov:skip=CKV2_AWS_38:DNSSEC needs a record at the registrar: a step for people
  # checkov:skip=CKV2_AWS_39:Logs of DNS queries hold who visits the shop, and nobody reads them
  count = var.domain == "" ? 0 : 1

  name = var.domain
}

resource "aws_route53_record" "this" {
  # checkov:skip=CKV2_AWS_23:The addresses are those of the load balancer
  count = var.domain == "" ? 0 : 1

  zone_id = aws_route53_zone.this[0].zone_id
  name    = var.domain
  type    = "A"
  ttl     = 300
  records = local.load_balancer_addresses
}
