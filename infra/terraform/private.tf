# Private endpoints: an address in our network for each service, and its name.

locals {
  private_services = {
    redis    = { id = azurerm_managed_redis.grid.id, kind = "redisEnterprise", zone = "privatelink.redis.azure.net" }
    storage  = { id = azurerm_storage_account.grid.id, kind = "blob", zone = "privatelink.blob.core.windows.net" }
    vault    = { id = azurerm_key_vault.grid.id, kind = "vault", zone = "privatelink.vaultcore.azure.net" }
    registry = { id = azurerm_container_registry.grid.id, kind = "registry", zone = "privatelink.azurecr.io" }
    batch    = { id = azurerm_batch_account.grid.id, kind = "batchAccount", zone = "privatelink.batch.azure.com" }
    nodes    = { id = azurerm_batch_account.grid.id, kind = "nodeManagement", zone = "privatelink.batch.azure.com" }
  }
  endpoints = { for name, service in local.private_services : name => service if var.private_endpoints }
  zones     = toset([for service in values(local.endpoints) : service.zone])

  peers = {
    for pair in setproduct(local.zones, keys(var.peer_vnets)) :
    "${pair[0]}/${pair[1]}" => { zone = pair[0], peer = pair[1] }
  }
}

resource "azurerm_private_dns_zone" "service" {
  for_each            = local.zones
  name                = each.key
  resource_group_name = azurerm_resource_group.grid.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "grid" {
  for_each             = local.zones
  name                 = local.name
  private_dns_zone_id  = azurerm_private_dns_zone.service[each.key].id
  virtual_network_id   = azurerm_virtual_network.grid.id
  registration_enabled = false
  tags                 = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "peer" {
  for_each             = local.peers
  name                 = "${local.name}-${each.value.peer}"
  private_dns_zone_id  = azurerm_private_dns_zone.service[each.value.zone].id
  virtual_network_id   = var.peer_vnets[each.value.peer]
  registration_enabled = false
  tags                 = local.tags
}

resource "azurerm_private_endpoint" "service" {
  for_each            = local.endpoints
  name                = "${local.name}-${each.key}"
  location            = azurerm_resource_group.grid.location
  resource_group_name = azurerm_resource_group.grid.name
  subnet_id           = azurerm_subnet.endpoints[0].id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.kind]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.service[each.value.zone].id]
  }

  depends_on = [azurerm_private_dns_zone_virtual_network_link.grid]
}
