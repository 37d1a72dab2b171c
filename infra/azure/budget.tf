# An e-mail when the month becomes expensive.

resource "azurerm_consumption_budget_resource_group" "this" {
  name              = var.name
  resource_group_id = azurerm_resource_group.this.id
  amount            = var.budget.amount
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00'Z'", plantimestamp())
  }

  dynamic "notification" {
    for_each = { Actual = 80, Forecasted = 100 }

    content {
      threshold_type = notification.key
      threshold      = notification.value
      operator       = "GreaterThan"
      contact_emails = var.budget.emails
    }
  }

  lifecycle {
    # The month in which it was created.
    ignore_changes = [time_period]
  }
}
