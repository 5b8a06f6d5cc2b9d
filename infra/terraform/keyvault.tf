# For secrets of your own: a password of another Redis, what a pricer needs. Ours needs none.

resource "azurerm_key_vault" "grid" {
  name                          = "${var.name}-kv${local.suffix}"
  location                      = azurerm_resource_group.grid.location
  resource_group_name           = azurerm_resource_group.grid.name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = var.purge_protection
  soft_delete_retention_days    = var.purge_protection ? 90 : 7
  public_network_access_enabled = local.public
  tags                          = local.tags

  network_acls {
    default_action             = local.open ? "Allow" : "Deny"
    bypass                     = "AzureServices"
    ip_rules                   = [for ip in var.allowed_ips : strcontains(ip, "/") ? ip : "${ip}/32"]
    virtual_network_subnet_ids = var.private_endpoints ? [] : [azurerm_subnet.nodes.id]
  }
}
