# What a grid engineer wants to see, on one page: Application Insights, Workbooks, azfinsim.

locals {
  of_metric = "customMetrics | where timestamp {TimeRange}"

  # Title, share of the page's width, how it is drawn, and what is asked.
  panels = [
    {
      title = "Trades a second, by outcome", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.trades}"
        | summarize ["trades/s"] = sum(valueSum) / 60 by bin(timestamp, 1m), outcome = tostring(customDimensions.outcome)
      KQL
    },
    {
      title = "Trades a second, by algorithm and lane", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.trades}"
        | extend what = strcat(customDimensions.algorithm, " ", customDimensions.lane)
        | summarize ["trades/s"] = sum(valueSum) / 60 by bin(timestamp, 1m), what
      KQL
    },
    {
      title = "Backlog: entries, by lane", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.backlog}"
        | summarize entries = max(valueMax) by bin(timestamp, 1m), lane = tostring(customDimensions.lane)
      KQL
    },
    {
      title = "Age of the oldest entry: seconds, by lane", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.pending_age}"
        | summarize seconds = max(valueMax) by bin(timestamp, 1m), lane = tostring(customDimensions.lane)
      KQL
    },
    {
      title = "Realtime, 99th percentile of the slowest consumer: ms", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where tostring(customDimensions.lane) == "realtime"
        | where name in ("${local.metric.queue_p99}", "${local.metric.price_p99}", "${local.metric.end_p99}")
        | summarize ms = max(valueMax) * 1000 by bin(timestamp, 1m), name
      KQL
    },
    {
      title = "Jobs, 99th percentile of pricing a trade: ms, by algorithm", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.price_p99}" and tostring(customDimensions.lane) != "realtime"
        | summarize ms = max(valueMax) * 1000 by bin(timestamp, 1m), algorithm = tostring(customDimensions.algorithm)
      KQL
    },
    {
      title = "Consumers and busy slots", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.slots_busy}"
        | summarize busy = max(valueMax) by bin(timestamp, 1m), cloud_RoleInstance
        | summarize ["busy slots"] = sum(busy), consumers = dcount(cloud_RoleInstance) by timestamp
      KQL
    },
    {
      title = "Entries taken over from lapsed leases", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.redeliveries}"
        | summarize entries = sum(valueSum) by bin(timestamp, 1m)
      KQL
    },
    {
      title = "Dead letters written", width = 50, draw = "timechart"
      query = <<-KQL
        ${local.of_metric} | where name == "${local.metric.dead}"
        | summarize dead = sum(valueSum) by bin(timestamp, 1m)
      KQL
    },
    {
      title = "The last errors", width = 50, draw = "table"
      query = <<-KQL
        union isfuzzy=true traces, exceptions | where timestamp {TimeRange} and severityLevel >= 3
        | project timestamp, consumer = cloud_RoleInstance, what = coalesce(message, outerMessage)
        | order by timestamp desc | take 50
      KQL
    },
  ]
}

resource "azurerm_application_insights_workbook" "grid" {
  # A workbook's name is a UUID: the same every time for one deployment.
  name                = uuidv5("url", "https://azfinsim/${local.name}/workbook")
  display_name        = "azfinsim"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  source_id           = lower(azurerm_application_insights.grid.id)
  tags                = local.tags

  data_json = jsonencode({
    version             = "Notebook/1.0"
    fallbackResourceIds = [azurerm_application_insights.grid.id]
    items = concat(
      [{
        type = 9 # Parameters.
        name = "parameters"
        content = {
          version = "KqlParameterItem/1.0"
          style   = "pills"
          parameters = [{
            id         = uuidv5("url", "https://azfinsim/${local.name}/workbook/range")
            name       = "TimeRange"
            label      = "Time"
            type       = 4 # A range of time.
            isRequired = true
            value      = { durationMs = 3600000 }
            typeSettings = {
              selectableValues = [for minutes in [30, 60, 240, 720, 1440, 10080] : { durationMs = minutes * 60000 }]
              allowCustom      = true
            }
          }]
        }
      }],
      [for number, panel in local.panels : {
        type        = 3 # A query.
        name        = "panel-${number}"
        customWidth = tostring(panel.width)
        content = {
          version                  = "KqlItem/1.0"
          query                    = panel.query
          size                     = 0
          title                    = panel.title
          queryType                = 0 # Logs.
          resourceType             = "microsoft.insights/components"
          visualization            = panel.draw
          timeContextFromParameter = "TimeRange"
        }
      }],
    )
  })
}
