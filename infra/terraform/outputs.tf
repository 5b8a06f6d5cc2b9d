# `azfinsim infra config` makes azfinsim.json of `deployment`; its fields are those of infra/config.py.

output "deployment" {
  description = "Where everything is. No secret."
  value = {
    subscription       = var.subscription
    resource_group     = azurerm_resource_group.grid.name
    location           = var.location
    batch_endpoint     = "https://${azurerm_batch_account.grid.account_endpoint}"
    bulk_pool          = azurerm_batch_pool.bulk.name
    realtime_pool      = azurerm_batch_pool.realtime.name
    bulk_slots         = var.bulk_slots
    realtime_slots     = var.realtime_slots
    registry           = azurerm_container_registry.grid.name
    registry_server    = azurerm_container_registry.grid.login_server
    registry_identity  = azurerm_user_assigned_identity.registry.id
    consumer_identity  = azurerm_user_assigned_identity.consumer.id
    consumer_client_id = azurerm_user_assigned_identity.consumer.client_id
    redis_url          = "rediss://${azurerm_managed_redis.grid.hostname}:${azurerm_managed_redis.grid.default_database[0].port}?cluster=true"
    storage_url        = trimsuffix(azurerm_storage_account.grid.primary_blob_endpoint, "/")
    logs_container     = azurerm_storage_container.logs.name
    results_container  = azurerm_storage_container.results.name
    key_vault_url      = trimsuffix(azurerm_key_vault.grid.vault_uri, "/")
    # Says where telemetry goes and whose it is; without Entra ID nothing is taken. Not a secret.
    telemetry = nonsensitive(azurerm_application_insights.grid.connection_string)
  }
}

output "network" {
  description = "Resource ID of the network, for a peering from your side."
  value       = azurerm_virtual_network.grid.id
}

output "deployers" {
  description = "Who is an operator because he has deployed. `azfinsim infra deploy` gives it back as the variable."
  value       = local.deployers
}

output "cores" {
  description = "How many cores of each kind the pools may come to use, by size of machine."
  value = {
    spot      = { size = var.bulk_vm_size, nodes = var.bulk_nodes }
    fallback  = { size = var.bulk_vm_size, nodes = var.bulk_dedicated }
    dedicated = { size = var.realtime_vm_size, nodes = var.realtime_nodes }
  }
}
