# Each switch, and what it changes.

mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  subscription = "22222222-2222-2222-2222-222222222222"
}

run "without_private_endpoints" {
  variables {
    private_endpoints = false
  }
  assert {
    condition     = length(azurerm_private_endpoint.service) == 0 && length(azurerm_private_dns_zone.service) == 0 && length(azurerm_subnet.endpoints) == 0
    error_message = "there are none"
  }
  assert {
    condition     = azurerm_managed_redis.grid.public_network_access == "Enabled" && contains(keys(azurerm_network_security_rule.outward), "redis")
    error_message = "nodes reach Redis outside"
  }
  assert {
    condition     = azurerm_container_registry.grid.sku == "Basic"
    error_message = "only private endpoints need the dear registry"
  }
  assert {
    condition     = azurerm_storage_account.grid.network_rules[0].default_action == "Allow"
    error_message = "without allowed_ips the address does not matter, Entra ID does"
  }
  assert {
    condition     = [for rule in azurerm_batch_account.grid.network_profile[0].node_management_access[0].ip_rule : rule.ip_range] == ["198.51.100.7"]
    error_message = "only our own nodes speak to Batch as nodes"
  }
}

run "own_address_without_private_endpoints" {
  variables {
    private_endpoints = false
    allowed_ips       = ["203.0.113.7", "198.51.100.0/24"]
  }
  assert {
    condition     = azurerm_storage_account.grid.network_rules[0].default_action == "Deny" && azurerm_key_vault.grid.network_acls[0].default_action == "Deny"
    error_message = "others are shut out"
  }
  assert {
    condition     = length(azurerm_storage_account.grid.network_rules[0].virtual_network_subnet_ids) == 1 && length(azurerm_subnet.nodes.service_endpoint) == 2
    error_message = "nodes are not"
  }
  assert {
    condition     = contains(azurerm_key_vault.grid.network_acls[0].ip_rules, "203.0.113.7/32") && contains(azurerm_storage_account.grid.network_rules[0].ip_rules, "203.0.113.7")
    error_message = "a vault takes ranges, and storage plain addresses"
  }
  assert {
    condition     = azurerm_batch_account.grid.network_profile[0].account_access[0].default_action == "Deny"
    error_message = "nor does Batch take anybody"
  }
}

run "own_address_beside_private_endpoints" {
  variables {
    allowed_ips = ["203.0.113.7"]
  }
  assert {
    condition     = azurerm_storage_account.grid.public_network_access_enabled && azurerm_storage_account.grid.network_rules[0].default_action == "Deny"
    error_message = "storage takes that address alone"
  }
  assert {
    condition     = length(azurerm_batch_account.grid.network_profile[0].node_management_access[0].ip_rule) == 0
    error_message = "nodes come by the private endpoint"
  }
  assert {
    condition     = azurerm_managed_redis.grid.public_network_access == "Disabled"
    error_message = "Redis knows no addresses: it stays inside"
  }
}

run "of_the_network_and_watching" {
  variables {
    peer_vnets            = { office = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/office" }
    registry_public       = false
    operators             = ["77777777-7777-7777-7777-777777777777"]
    controller_on_pool    = true
    alert_emails          = ["grid@example.com"]
    alert_backlog_minutes = 7
    alert_realtime_ms     = 50
    budget                = 500
  }
  assert {
    condition     = length(azurerm_virtual_network_peering.to) == 1 && length(azurerm_private_dns_zone_virtual_network_link.peer) == 5
    error_message = "the other network is peered and knows all our names"
  }
  assert {
    condition     = !azurerm_container_registry.grid.public_network_access_enabled && azurerm_container_registry.grid.sku == "Premium"
    error_message = "the registry is reached from inside alone"
  }
  assert {
    condition     = length(azurerm_managed_redis_access_policy_assignment.operator) == 2 && length(azurerm_role_assignment.operator) == 2 * length(local.operator_rights)
    error_message = "each operator has what whoever deploys has"
  }
  assert {
    condition     = azurerm_role_assignment.consumer["tasks"].role_definition_name == "Azure Batch Job Submitter"
    error_message = "tasks may start tasks"
  }
  assert {
    condition     = toset(keys(azurerm_monitor_scheduled_query_rules_alert_v2.grid)) == toset(["dead", "backlog", "realtime", "stalled", "no_consumers"])
    error_message = "all alerts are there"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.grid["backlog"].criteria[0].query, "age > 420") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.grid["realtime"].criteria[0].query, "> 50")
    error_message = "thresholds are in the metrics' units"
  }
  assert {
    condition     = azurerm_consumption_budget_resource_group.grid[0].amount == 500 && endswith(azurerm_consumption_budget_resource_group.grid[0].time_period[0].start_date, "-01T00:00:00Z") && length(azurerm_consumption_budget_resource_group.grid[0].notification) == 2
    error_message = "the budget warns twice"
  }
}

run "small_and_elsewhere" {
  variables {
    deployers        = ["88888888-8888-8888-8888-888888888888", "99999999-9999-9999-9999-999999999999"]
    former_operators = ["99999999-9999-9999-9999-999999999999"]

    redis_sku               = "Balanced_B0"
    redis_high_availability = false
    redis_append_only       = false
    bulk_slots              = 4
    bulk_nodes              = 7
    bulk_dedicated          = 0
    realtime_slots          = 3
    image_tag               = "0.1.0-1a2b3c4"
    alert_emails            = ["grid@example.com"]
    realtime_nodes          = 0
    purge_protection        = false
    name                    = "risk"
    location                = "northeurope"
  }
  assert {
    condition     = keys(azurerm_managed_redis_access_policy_assignment.operator) == ["33333333-3333-3333-3333-333333333333", "88888888-8888-8888-8888-888888888888"]
    error_message = "who has deployed before keeps his rights until he is named as gone"
  }
  assert {
    condition     = output.deployers == toset(["33333333-3333-3333-3333-333333333333", "88888888-8888-8888-8888-888888888888"])
    error_message = "the state remembers who has deployed"
  }
  assert {
    condition     = azurerm_managed_redis.grid.default_database[0].persistence_append_only_file_backup_frequency == null && !azurerm_managed_redis.grid.high_availability_enabled
    error_message = "neither replica nor file"
  }
  assert {
    condition     = azurerm_managed_redis.grid.default_database[0].eviction_policy == "NoEviction"
    error_message = "a small one drops nothing either"
  }
  assert {
    condition     = azurerm_batch_pool.bulk.max_tasks_per_node == 4 && strcontains(azurerm_batch_pool.bulk.auto_scale[0].formula, "tasks_per_node = 4;")
    error_message = "the formula divides by what the pool has"
  }
  assert {
    condition     = strcontains(azurerm_batch_pool.bulk.auto_scale[0].formula, "most_dedicated = 0;")
    error_message = "no fallback"
  }
  assert {
    condition     = output.deployment.bulk_slots == 4 && output.deployment.realtime_slots == 3
    error_message = "whoever starts tasks is told"
  }
  assert {
    condition     = azurerm_batch_pool.bulk.container_configuration[0].container_image_names == toset(["grid.azurecr.io/azfinsim:0.1.0-1a2b3c4"])
    error_message = "nodes fetch the image when they start"
  }
  assert {
    condition     = !contains(keys(azurerm_monitor_scheduled_query_rules_alert_v2.grid), "no_consumers")
    error_message = "an idle grid has no consumers, and nobody is woken for it"
  }
  assert {
    condition     = !azurerm_key_vault.grid.purge_protection_enabled && azurerm_key_vault.grid.soft_delete_retention_days == 7
    error_message = "the vault's name can be had again"
  }
  assert {
    condition     = startswith(azurerm_resource_group.grid.name, "risk-") && azurerm_resource_group.grid.name != run.of_the_network_and_watching.deployment.resource_group
    error_message = "another name or region is another deployment"
  }
}
