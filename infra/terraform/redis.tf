# Books, queues and results. Entra ID lets in whoever is named here; there are no access keys.

resource "azurerm_managed_redis" "grid" {
  name                      = local.name
  location                  = azurerm_resource_group.grid.location
  resource_group_name       = azurerm_resource_group.grid.name
  sku_name                  = var.redis_sku
  high_availability_enabled = var.redis_high_availability
  public_network_access     = var.private_endpoints ? "Disabled" : "Enabled"
  tags                      = local.tags

  default_database {
    access_keys_authentication_enabled = false
    client_protocol                    = "Encrypted"
    clustering_policy                  = "OSSCluster"
    # Full, it refuses writes and consumers wait. Any other policy drops trades without a word.
    eviction_policy                               = "NoEviction"
    persistence_append_only_file_backup_frequency = var.redis_append_only ? "1s" : null
  }
}

resource "azurerm_managed_redis_access_policy_assignment" "consumer" {
  managed_redis_id = azurerm_managed_redis.grid.id
  object_id        = azurerm_user_assigned_identity.consumer.principal_id
}

resource "azurerm_managed_redis_access_policy_assignment" "operator" {
  for_each         = local.operators
  managed_redis_id = azurerm_managed_redis.grid.id
  object_id        = each.key
}
