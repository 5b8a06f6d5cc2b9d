# Where telemetry goes, and by which names it is known there.

locals {
  # As in engine/telemetry.py, to which a test holds them. Percentiles are computed by each consumer
  # for each minute: histograms arrive as sum, count, least and most.
  metric = {
    trades       = "azfinsim.trades"         # count, by outcome, lane and algorithm
    dead         = "azfinsim.dead"           # count: dead letters written
    redeliveries = "azfinsim.redeliveries"   # count
    backlog      = "azfinsim.backlog"        # entries queued or being priced, by lane; told by one for all
    pending_age  = "azfinsim.pending.age"    # seconds since the oldest entry was queued, likewise
    queue_p99    = "azfinsim.queue.p99"      # seconds, by lane and algorithm
    price_p99    = "azfinsim.price.p99"      # seconds for a trade, likewise
    end_p99      = "azfinsim.end_to_end.p99" # seconds, likewise
    slots_busy   = "azfinsim.slots.busy"     # of one consumer
    slots        = "azfinsim.slots"          # likewise, by all the lanes that it serves
  }
}

resource "azurerm_log_analytics_workspace" "grid" {
  name                         = local.name
  location                     = azurerm_resource_group.grid.location
  resource_group_name          = azurerm_resource_group.grid.name
  sku                          = "PerGB2018"
  retention_in_days            = var.telemetry_days
  daily_quota_gb               = var.telemetry_gb_a_day
  local_authentication_enabled = false
  tags                         = local.tags
}

resource "azurerm_application_insights" "grid" {
  name                         = local.name
  location                     = azurerm_resource_group.grid.location
  resource_group_name          = azurerm_resource_group.grid.name
  workspace_id                 = azurerm_log_analytics_workspace.grid.id
  application_type             = "other"
  daily_data_cap_in_gb         = var.telemetry_gb_a_day
  local_authentication_enabled = false
  # Consumers sample for themselves; realtime traces are to be whole.
  sampling_percentage = 100
  tags                = local.tags
}
