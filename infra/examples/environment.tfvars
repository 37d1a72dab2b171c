# What belongs to one environment; sizes/*.tfvars has the rest.
name             = "shop-prod"
account          = "123456789012" # Google: the project ID, Azure: the subscription ID
region           = "eu-central-1"
domain           = "shop.example.com"
api_access_cidrs = ["198.51.100.0/24"]
budget           = { amount = 500, emails = ["ops@example.com"] }
