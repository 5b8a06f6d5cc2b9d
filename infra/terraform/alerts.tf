# What somebody should be told of. None of them fires on an idle grid.

resource "azurerm_monitor_action_group" "operators" {
  count               = length(var.alert_emails) > 0 ? 1 : 0
  name                = "${local.name}-operators"
  resource_group_name = azurerm_resource_group.grid.name
  short_name          = substr(var.name, 0, 12)
  tags                = local.tags

  dynamic "email_receiver" {
    for_each = var.alert_emails
    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

locals {
  # Each query returns a row where something is wrong; the rule fires when there is one.
  alerts = {
    dead = {
      what     = "Trades were given up: azfinsim dead list"
      severity = 2
      window   = "PT15M"
      query    = <<-KQL
        customMetrics
        | where name == "${local.metric.dead}"
        | summarize dead = sum(valueSum)
        | where dead > 0
      KQL
    }
    backlog = {
      what     = "The oldest entry has waited for more than ${var.alert_backlog_minutes} minutes"
      severity = 2
      window   = "PT15M"
      query    = <<-KQL
        customMetrics
        | where name == "${local.metric.pending_age}"
        | summarize (timestamp, age) = arg_max(timestamp, valueMax) by lane = tostring(customDimensions.lane)
        | where age > ${var.alert_backlog_minutes * 60}
      KQL
    }
    realtime = {
      what     = "Realtime takes longer than ${var.alert_realtime_ms} ms from end to end (99th percentile)"
      severity = 1
      window   = "PT15M"
      query    = <<-KQL
        customMetrics
        | where name == "${local.metric.end_p99}" and tostring(customDimensions.lane) == "realtime"
        | summarize slowest = max(valueMax) by bin(timestamp, 1m)
        | summarize minutes = countif(slowest * 1000 > ${var.alert_realtime_ms})
        | where minutes >= 3
      KQL
    }
    stalled = {
      what     = "Work is queued and nothing has been settled for 15 minutes"
      severity = 1
      # Of an hour: where the last consumer has gone, nobody tells of what it has left.
      window = "PT1H"
      # Each lane by itself: that one is empty says nothing of the others.
      query = <<-KQL
        let settled = toscalar(
          customMetrics
          | where name == "${local.metric.trades}" and timestamp > ago(15m)
          | summarize sum(valueSum));
        customMetrics
        | where name == "${local.metric.backlog}"
        | summarize
            (told, left) = arg_max(timestamp, valueMax),
            since = min(timestamp),
            emptied = countif(valueMax == 0 and timestamp > ago(15m))
          by lane = tostring(customDimensions.lane)
        | where left > 0 and emptied == 0 and since < ago(15m)
        | where coalesce(settled, 0.0) == 0
      KQL
    }
    no_consumers = {
      what     = "No consumer of the realtime pool has been heard of for 15 minutes"
      severity = 1
      window   = "PT15M"
      # A row whether or not there is telemetry: nothing heard is what is looked for. Consumers of the
      # bulk pool serve realtime beside other lanes, and are not those that are missed.
      query = <<-KQL
        customMetrics
        | where name == "${local.metric.slots}" and tostring(customDimensions.lanes) == "realtime"
        | summarize heard = count()
        | where heard == 0
      KQL
    }
  }
  # A grid without realtime nodes has no consumer while there is no work.
  wanted_alerts = length(var.alert_emails) == 0 ? {} : {
    for name, alert in local.alerts : name => alert
    if name != "no_consumers" || var.realtime_nodes > 0
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "grid" {
  for_each                = local.wanted_alerts
  name                    = "${local.name}-${replace(each.key, "_", "-")}"
  display_name            = "azfinsim: ${each.value.what}"
  location                = azurerm_resource_group.grid.location
  resource_group_name     = azurerm_resource_group.grid.name
  scopes                  = [azurerm_application_insights.grid.id]
  severity                = each.value.severity
  evaluation_frequency    = "PT5M"
  window_duration         = each.value.window
  auto_mitigation_enabled = true
  # The metrics come with the first consumer; until then Azure does not know the queries' columns.
  skip_query_validation = true
  tags                  = local.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
  }

  action {
    action_groups = [azurerm_monitor_action_group.operators[0].id]
  }
}
