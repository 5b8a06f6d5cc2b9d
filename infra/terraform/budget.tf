# Tells of costs before the bill does. It stops nothing.

resource "azurerm_consumption_budget_resource_group" "grid" {
  count             = var.budget > 0 ? 1 : 0
  name              = local.name
  resource_group_id = azurerm_resource_group.grid.id
  amount            = var.budget
  time_grain        = "Monthly"

  # Azure takes a first day of the month that is not past. It is of interest when the budget is made.
  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
  }

  lifecycle {
    ignore_changes = [time_period]
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = var.alert_emails
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = var.alert_emails
  }
}
