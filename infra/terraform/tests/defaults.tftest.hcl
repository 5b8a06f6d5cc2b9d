# What one gets who asks for nothing: closed, without keys, and at no cost for bulk while idle.

mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  subscription = "22222222-2222-2222-2222-222222222222"
}

# One run: each takes a second or two.
run "defaults" {
  # Names.
  assert {
    condition     = can(regex("^azfinsim[0-9a-f]{8}$", azurerm_storage_account.grid.name))
    error_message = "a storage account's name is 3 to 24 of a to z and 0 to 9"
  }
  assert {
    condition     = length(azurerm_key_vault.grid.name) <= 24
    error_message = "a Key Vault's name has at most 24 characters"
  }
  assert {
    condition     = azurerm_batch_account.grid.name == azurerm_container_registry.grid.name
    error_message = "one name for all that must be unique in Azure"
  }

  # Nobody has a key.
  assert {
    condition     = !azurerm_managed_redis.grid.default_database[0].access_keys_authentication_enabled
    error_message = "Redis takes Entra ID alone"
  }
  assert {
    condition     = !azurerm_storage_account.grid.shared_access_key_enabled && !azurerm_storage_account.grid.local_user_enabled
    error_message = "storage takes Entra ID alone"
  }
  assert {
    condition     = azurerm_batch_account.grid.allowed_authentication_modes == toset(["AAD"])
    error_message = "Batch takes Entra ID alone"
  }
  assert {
    condition     = !azurerm_container_registry.grid.admin_enabled && azurerm_key_vault.grid.rbac_authorization_enabled
    error_message = "registry and vault go by roles"
  }
  assert {
    condition     = !azurerm_application_insights.grid.local_authentication_enabled && !azurerm_log_analytics_workspace.grid.local_authentication_enabled
    error_message = "telemetry is taken by Entra ID alone: that is why its connection string is no secret"
  }

  # Nothing is public.
  assert {
    condition = (
      azurerm_managed_redis.grid.public_network_access == "Disabled" &&
      !azurerm_storage_account.grid.public_network_access_enabled &&
      !azurerm_key_vault.grid.public_network_access_enabled &&
      !azurerm_batch_account.grid.public_network_access_enabled
    )
    error_message = "all data is reached by private endpoints alone"
  }
  assert {
    condition     = toset(keys(azurerm_private_endpoint.service)) == toset(["redis", "storage", "vault", "registry", "batch", "nodes"])
    error_message = "each service has its private endpoint"
  }
  assert {
    condition     = length(azurerm_private_dns_zone.service) == 5
    error_message = "each kind of service has its zone; both of Batch share one"
  }
  assert {
    condition     = azurerm_batch_pool.bulk.network_configuration[0].public_address_provisioning_type == "NoPublicIPAddresses"
    error_message = "nodes have no public address"
  }
  assert {
    condition     = alltrue([for rule in azurerm_network_security_rule.nothing_else : rule.access == "Deny"]) && length(azurerm_network_security_rule.nothing_else) == 2
    error_message = "nodes reach nothing, and are reached by nobody, but as is said"
  }
  assert {
    condition     = !contains(keys(azurerm_network_security_rule.outward), "redis")
    error_message = "Redis is inside"
  }

  # Redis keeps what it has.
  assert {
    condition     = azurerm_managed_redis.grid.default_database[0].eviction_policy == "NoEviction"
    error_message = "a full server refuses writes; it drops nothing"
  }
  assert {
    condition     = azurerm_managed_redis.grid.default_database[0].persistence_append_only_file_backup_frequency == "1s"
    error_message = "there is an append-only file"
  }
  assert {
    condition     = azurerm_managed_redis.grid.high_availability_enabled
    error_message = "each shard has a replica"
  }

  # Pools.
  assert {
    condition     = length(azurerm_batch_pool.bulk.fixed_scale) == 0 && azurerm_batch_pool.bulk.auto_scale[0].evaluation_interval == "PT5M"
    error_message = "bulk is autoscaled, as often as Batch allows"
  }
  assert {
    condition     = strcontains(azurerm_batch_pool.bulk.auto_scale[0].formula, "most_nodes = 10;")
    error_message = "the formula is filled in"
  }
  assert {
    condition     = length(azurerm_batch_pool.bulk.auto_scale[0].formula) < 8192
    error_message = "Batch takes formulas of 8 KB"
  }
  assert {
    condition     = azurerm_batch_pool.realtime.fixed_scale[0].target_low_priority_nodes == 0 && azurerm_batch_pool.realtime.fixed_scale[0].target_dedicated_nodes == 2
    error_message = "realtime runs on dedicated nodes"
  }
  assert {
    condition = alltrue([for pool in [azurerm_batch_pool.bulk, azurerm_batch_pool.realtime] :
      pool.target_node_communication_mode == "Simplified" &&
      pool.node_agent_sku_id == "batch.node.ubuntu 24.04" &&
      pool.storage_image_reference[0].sku == "2404" &&
      pool.container_configuration[0].container_registries[0].password == null
    ])
    error_message = "both pools run today's image, and pull by identity"
  }

  # Rights.
  assert {
    condition     = toset([for right in azurerm_role_assignment.consumer : right.role_definition_name]) == toset(["Storage Blob Data Contributor", "Monitoring Metrics Publisher", "Key Vault Secrets User"])
    error_message = "a consumer writes blobs and telemetry and reads secrets; it starts no tasks"
  }
  assert {
    condition     = azurerm_role_assignment.pull.role_definition_name == "AcrPull"
    error_message = "nodes pull, and do not push"
  }
  assert {
    condition     = alltrue([for right in azurerm_role_assignment.operator : !contains(["Owner", "Contributor", "User Access Administrator"], right.role_definition_name)])
    error_message = "operators have no right over all"
  }
  assert {
    condition     = keys(azurerm_managed_redis_access_policy_assignment.operator) == ["33333333-3333-3333-3333-333333333333"]
    error_message = "whoever deploys may use Redis"
  }

  # Nobody to tell.
  assert {
    condition     = length(azurerm_monitor_scheduled_query_rules_alert_v2.grid) == 0 && length(azurerm_consumption_budget_resource_group.grid) == 0
    error_message = "without alert_emails there are no alerts and no budget"
  }

  # Workbook.
  assert {
    condition     = length(jsondecode(azurerm_application_insights_workbook.grid.data_json).items) == 1 + length(local.panels)
    error_message = "the workbook has the range of time, and all panels"
  }

  # Deployment.
  assert {
    condition     = output.deployment.redis_url == "rediss://grid.westeurope.redis.azure.net:10000?cluster=true"
    error_message = "Redis is reached by TLS, as a cluster, and without a password"
  }
  assert {
    condition     = output.deployment.storage_url == "https://grid.blob.core.windows.net" && output.deployment.batch_endpoint == "https://grid.westeurope.batch.azure.com"
    error_message = "URLs end without a slash"
  }
}
